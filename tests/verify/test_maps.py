"""The files between Envoy's Lua and the bot service: both sides, real files, and broken ones."""

import gc
import ipaddress
import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seawall import limits
from seawall.errors import UnreachableError
from seawall.verify.claims import LAYOUT as CLAIMS
from seawall.verify.claims import Claim, ClaimsBoard
from seawall.verify.mapping import HEADER_BYTES, Address, packed, prefix, unpacked
from seawall.verify.outcome import Outcome
from seawall.verify.verdicts import LAYOUT as VERDICTS
from seawall.verify.verdicts import Verdict, VerdictTable
from verify import lua_side

NOW = 1_800_000_000
BINGBOT, YANDEX, FACEBOOK = 4, 7, 51
V4 = ipaddress.ip_address("40.77.167.1")
V6 = ipaddress.ip_address("2001:db8::7")
GOOD = Verdict(Outcome.VERIFIED, NOW + 100, NOW + 200)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[VerdictTable]:
    opened = VerdictTable(tmp_path / "verified.map", seed=7)
    yield opened
    opened.close()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[ClaimsBoard]:
    opened = ClaimsBoard(tmp_path / "claims.map")
    yield opened
    opened.close()


@given(addresses)
def test_addresses_keep_their_bytes(address: Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None)
    assert unpacked(packed(address)) == (mapped or address)


def test_lua_closes_its_files_when_it_ends(tmp_path: Path, table: VerdictTable) -> None:
    table.put(V4, YANDEX, GOOD, now_s=NOW)
    before = _open_files()
    for _ in range(3):
        lua = lua_side.load(folder=tmp_path)
        assert lua.state(str(V4), YANDEX, NOW) == "verified"
        assert len(_open_files()) == len(before) + 2
        lua.open(str(tmp_path / "verified.map"), str(tmp_path / "claims.map"))
        assert lua.state(str(V4), YANDEX, NOW) == "verified"
        assert len(_open_files()) == len(before) + 2
        del lua
        gc.collect()
        assert _open_files() == before


def _open_files() -> list[Path]:
    return sorted(Path("/proc/self/fd").iterdir())


def test_prefixes_are_24_and_48() -> None:
    net = lambda text: prefix(ipaddress.ip_address(text))
    assert net("192.0.2.1") == net("192.0.2.255") != net("192.0.3.1")
    assert net("2001:db8:1::1") == net("2001:db8:1:ffff::2") != net("2001:db8:2::1")


@pytest.mark.parametrize("address", [V4, V6, ipaddress.ip_address("::1")])
@pytest.mark.parametrize("outcome", list(Outcome))
def test_lua_reads_what_python_wrote(
    tmp_path: Path, table: VerdictTable, address: Address, outcome: Outcome
) -> None:
    table.put(address, YANDEX, Verdict(outcome, NOW + 100, NOW + 200), now_s=NOW)
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(str(address), YANDEX, NOW) == outcome
    assert lua.state(str(address), YANDEX, NOW + 150) == outcome
    assert lua.state(str(address), YANDEX, NOW + 200) == "unknown"
    assert lua.state(str(address), BINGBOT, NOW) == "unknown"
    assert lua.state("9.9.9.9", YANDEX, NOW) == "unknown"


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(addresses, st.sampled_from([BINGBOT, YANDEX])), max_size=40))
def test_many_verdicts_agree_on_both_sides(tmp_path: Path, keys: list[tuple[Address, int]]) -> None:
    table = VerdictTable(tmp_path / "verified.map", seed=99)
    for address, bot in keys:
        table.put(address, bot, GOOD, now_s=NOW)
    lua = lua_side.load(folder=tmp_path)
    for address, bot in keys:
        assert table.get(address, bot, now_s=NOW) == GOOD
        assert lua.state(str(address), bot, NOW) == "verified"
    table.close()


def test_an_expired_verdict_stands_and_is_asked_again(
    tmp_path: Path, table: VerdictTable, board: ClaimsBoard
) -> None:
    table.put(V4, YANDEX, GOOD, now_s=NOW)
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(str(V4), YANDEX, NOW + 99) == "verified"
    assert board.take() == []
    assert lua.state(str(V4), YANDEX, NOW + 100) == "verified"
    assert board.take() == [Claim(V4, YANDEX, NOW + 100)]


@pytest.mark.parametrize("address", [V4, V6])
def test_python_takes_what_lua_claimed(
    tmp_path: Path, board: ClaimsBoard, address: Address
) -> None:
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(str(address), YANDEX, NOW + 0.7) == "unknown"
    assert lua.state(str(address), YANDEX, NOW + 0.8) == "unknown"
    assert board.take() == [Claim(address, YANDEX, NOW)]
    assert board.take() == []
    assert lua.claims_written == 1


def test_lua_and_python_put_a_claim_in_the_same_place(tmp_path: Path, board: ClaimsBoard) -> None:
    lua = lua_side.load(folder=tmp_path)
    chance = random.Random(5)
    for _ in range(50):
        for address in (
            ipaddress.IPv4Address(chance.getrandbits(32)),
            ipaddress.IPv6Address(chance.getrandbits(128)),
        ):
            board.put(Claim(address, YANDEX, NOW))
            written = (tmp_path / "claims.map").read_bytes()
            board.take()
            assert lua.state(str(address), YANDEX, NOW) == "unknown"
            assert (tmp_path / "claims.map").read_bytes() == written
            board.take()


def test_bots_that_dns_cannot_prove_are_not_asked_about(tmp_path: Path, board: ClaimsBoard) -> None:
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(str(V4), FACEBOOK, NOW) == "unknown"
    assert lua.state(str(V4), 6, NOW) == "unknown"
    assert lua.state(str(V4), 60_000, NOW) == "unknown"
    assert board.take() == []


def test_a_flood_from_one_network_leaves_room_for_others(
    tmp_path: Path, board: ClaimsBoard
) -> None:
    lua = lua_side.load(folder=tmp_path)
    lua.state(str(V4), YANDEX, NOW)
    for number in range(256):
        for host in range(40):
            lua.state(f"2001:db8:1:{number:x}::{host:x}", YANDEX, NOW + number)
    claims = board.take()
    assert Claim(V4, YANDEX, NOW) in claims
    assert len(claims) <= 1 + limits.VERIFY_CLAIM_WAYS


def test_one_worker_writes_a_bounded_number_a_second(tmp_path: Path, board: ClaimsBoard) -> None:
    lua = lua_side.load(folder=tmp_path)
    for number in range(limits.VERIFY_CLAIMS_PER_S_MAX + 100):
        lua.state(f"10.{number % 256}.{number // 256}.1", YANDEX, NOW)
    assert lua.claims_written == limits.VERIFY_CLAIMS_PER_S_MAX
    assert lua.claims_dropped == 100
    assert board.take()
    lua.state("10.9.9.9", YANDEX, NOW + 1)
    assert board.take() == [Claim(ipaddress.ip_address("10.9.9.9"), YANDEX, NOW + 1)]


def test_missing_files_are_unknown_and_found_when_they_come(tmp_path: Path) -> None:
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(str(V4), YANDEX, NOW) == "unknown"
    board = ClaimsBoard(tmp_path / "claims.map")
    assert board.take() == [Claim(V4, YANDEX, NOW)], "Lua makes the board itself"
    table = VerdictTable(tmp_path / "verified.map", seed=1)
    table.put(V4, YANDEX, GOOD, now_s=NOW)
    assert lua.state(str(V4), YANDEX, NOW + limits.VERIFY_MAP_REOPEN_S) == "verified"
    board.close()
    table.close()


def test_no_folder_no_files_no_error(tmp_path: Path) -> None:
    lua = lua_side.load(folder=tmp_path / "gone")
    assert lua.state(str(V4), YANDEX, NOW) == "unknown"
    assert lua.claims_dropped == 1
    bare = lua_side.load()
    assert bare.state(str(V4), YANDEX, NOW) == "unknown"
    with pytest.raises(UnreachableError):
        VerdictTable(tmp_path / "gone" / "verified.map", seed=1)


@pytest.mark.parametrize("bad", ["", "1.2.3", "1.2.3.4:5", "::g", "é", "1" * 100, None, 7])
def test_what_is_no_address_is_unknown(tmp_path: Path, bad: object) -> None:
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(bad, YANDEX, NOW) == "unknown"
    assert lua.state(str(V4), YANDEX, None) == "unknown"
    assert lua.state(str(V4), None, NOW) == "unknown"
    assert lua.state(str(V4), YANDEX, float("nan")) == "unknown"


FOREIGN = {
    "empty": b"",
    "text": b"hello\n" * 100,
    "cut": VERDICTS.header(0) + b"\0" * 100,
    "other layout": VERDICTS.header(0)[:8] + b"\1" + bytes(VERDICTS.size_bytes - 9),
    "no magic": bytes(VERDICTS.size_bytes),
    "too long": VERDICTS.header(0) + bytes(VERDICTS.size_bytes),
    "next version": b"SWVERD02" + VERDICTS.header(0)[8:] + bytes(VERDICTS.size_bytes - 64),
    "noise": random.Random(3).randbytes(VERDICTS.size_bytes),
    "noise in the entries": VERDICTS.header(3)
    + random.Random(4).randbytes(VERDICTS.size_bytes - HEADER_BYTES),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_files_are_unknown_to_lua_and_replaced_by_python(tmp_path: Path, kind: str) -> None:
    for name in ("verified.map", "claims.map"):
        (tmp_path / name).write_bytes(FOREIGN[kind])
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(str(V4), YANDEX, NOW) == "unknown"
    table = VerdictTable(tmp_path / "verified.map", seed=1)
    board = ClaimsBoard(tmp_path / "claims.map")
    assert table.get(V4, YANDEX, now_s=NOW) is None
    table.put(V4, YANDEX, GOOD, now_s=NOW)
    assert table.get(V4, YANDEX, now_s=NOW) == GOOD
    later = NOW + limits.VERIFY_MAP_REOPEN_S
    assert lua.state(str(V4), YANDEX, later) == "verified"
    assert lua.state(str(V6), YANDEX, later) == "unknown"
    assert Claim(V6, YANDEX, later) in board.take()
    table.close()
    board.close()


def test_links_and_folders_are_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(VERDICTS.header(0) + bytes(VERDICTS.size_bytes - 64))
    (tmp_path / "verified.map").symlink_to(target)
    (tmp_path / "claims.map").mkdir()
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(str(V4), YANDEX, NOW) == "unknown"
    with pytest.raises(UnreachableError):
        ClaimsBoard(tmp_path / "claims.map")


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    for name in ("verified.map", "claims.map"):
        os.mkfifo(tmp_path / name)
    assert lua_side.load(folder=tmp_path).state(str(V4), YANDEX, NOW) == "unknown"
    VerdictTable(tmp_path / "verified.map", seed=1).close()
    assert (tmp_path / "verified.map").is_file()


def test_a_file_that_shrinks_while_lua_reads_it_is_unknown(
    tmp_path: Path, table: VerdictTable
) -> None:
    table.put(V4, YANDEX, GOOD, now_s=NOW)
    lua = lua_side.load(folder=tmp_path)
    assert lua.state(str(V4), YANDEX, NOW) == "verified"
    copy = (tmp_path / "verified.map").read_bytes()
    os.truncate(tmp_path / "verified.map", 10)
    assert lua.state(str(V4), YANDEX, NOW + 1) == "unknown"
    # Python's mapping needs the bytes back before it is touched again.
    (tmp_path / "verified.map").write_bytes(copy)


def _entry_offset(path: Path) -> int:
    content = path.read_bytes()
    for offset in range(HEADER_BYTES, len(content), VERDICTS.entry_words * 4):
        if any(content[offset : offset + VERDICTS.entry_words * 4]):
            return offset
    raise AssertionError("no entry")


def test_each_flipped_bit_of_an_entry_makes_it_absent(tmp_path: Path, table: VerdictTable) -> None:
    table.put(V4, YANDEX, GOOD, now_s=NOW)
    path = tmp_path / "verified.map"
    offset = _entry_offset(path)
    lua = lua_side.load(folder=tmp_path)
    with path.open("r+b", buffering=0) as file:
        for place in range(VERDICTS.entry_words * 4):
            for bit in range(8):
                file.seek(offset + place)
                byte = file.read(1)[0]
                file.seek(offset + place)
                file.write(bytes([byte ^ 1 << bit]))
                assert lua.state(str(V4), YANDEX, NOW) == "unknown", (place, bit)
                assert table.get(V4, YANDEX, now_s=NOW) is None
                file.seek(offset + place)
                file.write(bytes([byte]))
    assert lua.state(str(V4), YANDEX, NOW) == "verified"


WRITER = """
import ipaddress, sys
from pathlib import Path
from seawall.verify.outcome import Outcome
from seawall.verify.verdicts import Verdict, VerdictTable
table = VerdictTable(Path(sys.argv[1]), seed=7)
good, bad = ipaddress.ip_address("40.77.167.1"), ipaddress.ip_address("9.9.9.9")
print("ready", flush=True)
for turn in range(10**9):
    at = 1_800_000_100 + turn % 50_000
    table.put(good, 7, Verdict(Outcome.VERIFIED, at, at + 9), now_s=0)
    table.put(bad, 7, Verdict(Outcome.IMPOSTOR, at, at + 9), now_s=0)
"""


def test_a_reader_beside_a_busy_writer_sees_the_truth_or_nothing(
    tmp_path: Path, table: VerdictTable
) -> None:
    path = str(tmp_path / "verified.map")
    command = [sys.executable, "-c", WRITER, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        lua = lua_side.load(folder=tmp_path)
        good = {lua.state(str(V4), YANDEX, NOW) for _ in range(40_000)}
        bad = {lua.state("9.9.9.9", YANDEX, NOW) for _ in range(40_000)}
        writer.kill()
    assert "verified" in good <= {"verified", "unknown"}
    assert "impostor" in bad <= {"impostor", "unknown"}


def test_an_entry_being_written_is_absent(tmp_path: Path, table: VerdictTable) -> None:
    table.put(V4, YANDEX, GOOD, now_s=NOW)
    path = tmp_path / "verified.map"
    offset = _entry_offset(path)
    with path.open("r+b", buffering=0) as file:
        file.seek(offset)
        sequence = struct.unpack("<I", file.read(4))[0]
        file.seek(offset)
        file.write(struct.pack("<I", sequence | 1))
    assert lua_side.load(folder=tmp_path).state(str(V4), YANDEX, NOW) == "unknown"


def test_torn_claims_are_counted_and_dropped(tmp_path: Path, board: ClaimsBoard) -> None:
    lua = lua_side.load(folder=tmp_path)
    lua.state(str(V4), YANDEX, NOW)
    content = bytearray((tmp_path / "claims.map").read_bytes())
    place = next(i for i in range(HEADER_BYTES, len(content)) if content[i])
    with (tmp_path / "claims.map").open("r+b", buffering=0) as file:
        file.seek(place // 32 * 32 + 31)
        file.write(bytes([content[place // 32 * 32 + 31] ^ 1]))
    assert board.take() == []
    assert board.broken == 1
    assert board.take() == []
    assert board.broken == 1


def test_a_board_full_of_noise_is_emptied(tmp_path: Path, board: ClaimsBoard) -> None:
    noise = random.Random(8).randbytes(CLAIMS.size_bytes - HEADER_BYTES)
    with (tmp_path / "claims.map").open("r+b", buffering=0) as file:
        file.seek(HEADER_BYTES)
        file.write(noise)
    assert board.take() == []
    assert board.broken == CLAIMS.groups * CLAIMS.ways
    assert board.take() == []


@pytest.mark.parametrize(
    ("outcome", "by_s"), [("verified", 10**8), ("impostor", 10**8), ("unknown", 8 * 3_600)]
)
def test_a_clock_that_jumped_back_makes_no_verdict_eternal(
    tmp_path: Path, table: VerdictTable, board: ClaimsBoard, outcome: str, by_s: int
) -> None:
    late = Verdict(Outcome(outcome), NOW + by_s + 100, NOW + by_s + 100)
    table.put(V4, YANDEX, late, now_s=NOW + by_s)
    assert lua_side.load(folder=tmp_path).state(str(V4), YANDEX, NOW) == "unknown"
    assert [claim.address for claim in board.take()] == [V4], "it is asked again"
    assert table.get(V4, YANDEX, now_s=NOW) is None, "and looked up"


def test_verdicts_of_a_time_to_come_leave_room_for_others(table: VerdictTable) -> None:
    late = Verdict(Outcome.VERIFIED, NOW + 10**8, NOW + 10**8)
    for number in range(100_000):
        table.put(ipaddress.IPv4Address(0x0A000000 + number), YANDEX, late, now_s=NOW + 10**8)
    bad = Verdict(Outcome.IMPOSTOR, NOW + 1_000, NOW + 1_000)
    table.put(V4, YANDEX, bad, now_s=NOW)
    assert table.get(V4, YANDEX, now_s=NOW) == bad


def test_impostors_push_out_no_verified_bot(table: VerdictTable) -> None:
    good = [ipaddress.IPv4Address(0x0A000000 + number) for number in range(4_000)]
    for address in good:
        table.put(address, YANDEX, GOOD, now_s=NOW)
    kept = [a for a in good if table.get(a, YANDEX, now_s=NOW) is not None]
    assert len(kept) == len(good)
    bad = Verdict(Outcome.IMPOSTOR, NOW + 1_000, NOW + 1_000)
    for number in range(10_000):
        table.put(ipaddress.IPv4Address(0x14000000 + number), YANDEX, bad, now_s=NOW)
    assert all(table.get(a, YANDEX, now_s=NOW) == GOOD for a in good)


def test_a_table_is_found_again_with_its_content(tmp_path: Path) -> None:
    first = VerdictTable(tmp_path / "verified.map", seed=1)
    first.put(V6, YANDEX, GOOD, now_s=NOW)
    first.close()
    again = VerdictTable(tmp_path / "verified.map", seed=2)
    assert again.get(V6, YANDEX, now_s=NOW) == GOOD
    assert (tmp_path / "verified.map").stat().st_mode & 0o777 == 0o600
    again.close()


def test_both_files_take_their_blocks_at_once(tmp_path: Path) -> None:
    lua_side.load(folder=tmp_path).state(str(V4), YANDEX, NOW)
    VerdictTable(tmp_path / "verified.map", seed=1).close()
    for name in ("verified.map", "claims.map"):
        status = (tmp_path / name).stat()
        assert status.st_blocks * 512 >= status.st_size
