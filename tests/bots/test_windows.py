import gc
from pathlib import Path
from typing import Any

import pytest

from lua_machine import machine, module
from seawall.bots.features import FEATURES, INDEX

START_S = 1_795_000_200.0
"""A whole number of ten minutes: all windows begin here."""


class Windows:
    """The table of a worker, driven from Python."""

    def __init__(self, path: Path) -> None:
        self.runtime = machine()
        self.module = module(self.runtime, "windows")
        self.table = self.module.open(str(path))
        self.out = self.runtime.table_from([0.0] * 13)

    def touch(
        self,
        client: str = "a",
        path: str = "/",
        *,
        asset: bool = False,
        came: int = 0,
        address: int = 1,
        at_s: float = START_S,
    ) -> tuple[int, list[float]]:
        keys = self.keys(client)
        hashed = self.module.hash(path, 0)
        place = self.table.touch(self.table, *keys, hashed, asset, came, address, at_s, self.out)
        return place, [self.out[i] for i in range(1, 14)]

    def keys(self, client: str) -> tuple[int, int]:
        return self.module.hash(client, 1), self.module.hash(client, 2)

    def led_on(self, place: int, client: str = "a") -> None:
        self.table.led_on(self.table, place, *self.keys(client))

    def failed(self, place: int, client: str = "a") -> None:
        self.table.failed(self.table, place, *self.keys(client))


@pytest.fixture
def windows(tmp_path: Path) -> Windows:
    return Windows(tmp_path / "windows.map")


def test_requests_add_up_in_all_three_windows(windows: Windows) -> None:
    for n in range(1, 6):
        _, seen = windows.touch(path=f"/{n}", at_s=START_S + n)
        assert seen[:3] == [n, n, n]


def test_nothing_stays_mapped_of_a_worker_that_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "windows.map"
    for _ in range(3):
        one = Windows(path)
        assert one.touch()[0] >= 0
        assert _mapped(path) == 1
        del one
        gc.collect()
        assert _mapped(path) == 0


def _mapped(path: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(path))


def test_clients_do_not_count_for_each_other(windows: Windows) -> None:
    for _ in range(9):
        windows.touch("a")
    assert windows.touch("b")[1][:3] == [1, 1, 1]


def test_the_ten_seconds_fade_while_the_ten_minutes_stay(windows: Windows) -> None:
    for _ in range(10):
        windows.touch(at_s=START_S + 9)
    _, seen = windows.touch(at_s=START_S + 15)
    assert seen[0] == pytest.approx(1 + 10 * 0.5)
    assert seen[2] == 11
    _, seen = windows.touch(at_s=START_S + 45)
    assert seen[0] == 1
    assert seen[2] == 12


def test_a_clock_set_back_counts_anew_and_breaks_nothing(windows: Windows) -> None:
    windows.touch(at_s=START_S)
    _, seen = windows.touch(at_s=START_S - 86_400)
    assert seen[:3] == [1, 1, 1]


def test_a_clock_set_back_leaves_room_for_everybody(windows: Windows) -> None:
    for n in range(100_000):
        windows.touch(f"before {n}", at_s=START_S + 8 * 3_600)
    clients = [f"after {n}" for n in range(4_000)]
    for client in clients:
        windows.touch(client)
    assert {windows.touch(client)[1][2] for client in clients} == {2}


def test_requests_are_told_in_whole_numbers(windows: Windows) -> None:
    """A rule compares them: between two spans of ten seconds nobody asked 3.4 times."""
    for _ in range(4):
        windows.touch(at_s=START_S + 9)
    told = [windows.touch(at_s=START_S + second)[1] for second in range(10, 20)]
    assert all(number == round(number) for seen in told for number in seen[:3])


def test_distinct_paths_are_counted_about_right(windows: Windows) -> None:
    for n in range(40):
        windows.touch(path=f"/page/{n}")
    _, seen = windows.touch(path="/page/1")
    assert 30 <= seen[3] <= 50
    for _ in range(100):
        _, seen = windows.touch("other", path="/one")
    assert seen[3] == 1


def test_no_more_paths_are_told_than_rules_can_ask_for(windows: Windows) -> None:
    for n in range(5_000):
        _, seen = windows.touch(path=f"/page/{n}")
    bucket = module(windows.runtime, "signals").bucket
    assert {bucket(paths) for paths in seen[3:6]} == {FEATURES[INDEX["paths-10m"]].most}


def test_shares_of_errors_and_assets(windows: Windows) -> None:
    place, _ = windows.touch()
    windows.failed(place)
    _, seen = windows.touch(asset=True)
    assert seen[6] == pytest.approx(0.5)
    assert seen[9] == pytest.approx(0.5)


def test_arrivals_add_up_until_the_client_asks_for_what_comes_of_a_page(windows: Windows) -> None:
    assert [windows.touch(came=1)[1][12] for _ in range(3)] == [1, 2, 3]
    assert windows.touch(came=0)[1][12] == 3
    assert windows.touch("b", came=1)[1][12] == 1
    assert [windows.touch(came=came)[1][12] for came in (-1, 0, 1)] == [0, 0, 1]


def test_a_reload_is_no_arrival_and_one_of_a_page_never_seen_is(windows: Windows) -> None:
    assert windows.touch(path="/a", came=1)[1][12] == 1
    assert [windows.touch(path="/a", came=2)[1][12] for _ in range(3)] == [1, 1, 1]
    assert [windows.touch(path=path, came=2)[1][12] for path in ("/b", "/c", "/b")] == [2, 3, 3]


def test_who_follows_a_redirect_does_not_arrive_twice(windows: Windows) -> None:
    place, seen = windows.touch(path="/short", came=1)
    windows.led_on(place, "b")
    windows.led_on(place)
    windows.led_on(place)
    windows.led_on(-1)
    assert seen[12] == 1
    assert windows.touch(path="/long", came=1)[1][12] == 1
    assert windows.touch(path="/other", came=1)[1][12] == 2


def test_arrivals_of_a_neighbour_are_not_those_of_a_client(windows: Windows) -> None:
    for _ in range(5):
        windows.touch(came=1, address=-7)
    _, seen = windows.touch(came=1, address=8)
    assert (seen[0], seen[12]) == (6, 1)
    assert windows.touch(came=1, address=-7)[1][12] == 1


def test_arrivals_are_forgotten_after_ten_quiet_minutes(windows: Windows) -> None:
    for _ in range(4):
        windows.touch(came=1)
    assert windows.touch(came=1, at_s=START_S + 600)[1][12] == 5
    assert windows.touch(came=1, at_s=START_S + 1201)[1][12] == 1


def test_an_error_of_a_client_whose_entry_is_gone_counts_for_nobody(windows: Windows) -> None:
    place, _ = windows.touch("a")
    windows.failed(place, "b")
    windows.failed(-1)
    windows.failed(10**9)
    assert windows.touch("a")[1][6] == 0


def test_two_workers_share_the_file(tmp_path: Path) -> None:
    first, second = Windows(tmp_path / "w.map"), Windows(tmp_path / "w.map")
    first.touch()
    assert second.touch()[1][:3] == [2, 2, 2]


def test_the_file_is_private_and_of_its_size(windows: Windows, tmp_path: Path) -> None:
    status = (tmp_path / "windows.map").stat()
    assert status.st_mode & 0o777 == 0o600
    assert status.st_size == windows.module.SIZE_BYTES


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 20_000_000])
def test_a_foreign_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.map"
    path.write_bytes(content)
    assert Windows(path).touch()[1][:3] == [1, 1, 1]


def test_without_a_file_the_worker_counts_for_itself(tmp_path: Path) -> None:
    windows = Windows(tmp_path / "no" / "such" / "folder")
    assert windows.table.shared is False
    windows.touch()
    assert windows.touch()[1][:3] == [2, 2, 2]


def test_the_room_of_the_file_is_taken_at_once(windows: Windows, tmp_path: Path) -> None:
    # A sparse page that a full disk cannot back would end Envoy with SIGBUS.
    assert (tmp_path / "windows.map").stat().st_blocks * 512 >= windows.module.SIZE_BYTES


def test_a_full_disk_costs_the_sharing_and_nothing_else() -> None:
    windows = Windows(Path("/dev/full"))
    assert windows.table.shared is False
    assert windows.touch()[1][:3] == [1, 1, 1]


def test_a_hundred_thousand_clients_fit_by_forgetting_the_oldest(windows: Windows) -> None:
    for n in range(100_000):
        windows.touch(f"client {n}", at_s=START_S + n / 1000)
    assert windows.touch("client 99999", at_s=START_S + 100)[1][2] > 1


def test_the_hash_is_fnv_1a(windows: Windows) -> None:
    def signed(value: int) -> int:
        return value - (1 << 32) if value >= 1 << 31 else value

    def fnv(text: str) -> int:
        value = 0x811C9DC5
        for byte in text.encode():
            value = (value ^ byte) * 0x01000193 % (1 << 32)
        return value

    runtime: Any = windows.module
    for text in ("", "a", "foobar", "/some/longer/path?x=1"):
        assert runtime.hash(text, 0) == signed(fnv(text))
