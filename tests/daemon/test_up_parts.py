import itertools
import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from clocks import HandClock
from seawall import limits
from seawall.daemon import ports, ready
from seawall.daemon.children import Child
from seawall.daemon.ports import Address, addresses, holder
from seawall.daemon.processes import (
    Process,
    keeps_ending,
    last_words,
    lock_data_dir,
    prepare_data_dir,
    read_run_file,
    start_ticks,
    stop_signals,
    user_name,
    write_run_file,
)
from seawall.errors import ConflictError, UsageError
from seawall.site.parse import parse


def test_a_run_file_names_a_live_process(tmp_path: Path) -> None:
    write_run_file(tmp_path / "up.json", os.getpid())
    found = read_run_file(tmp_path / "up.json")
    assert found is not None
    assert found.pid == os.getpid()
    assert (tmp_path / "up.json").stat().st_mode & 0o777 == 0o600


def test_a_process_id_used_again_is_not_the_same_process() -> None:
    ticks = start_ticks(os.getpid())
    assert ticks is not None
    assert Process(os.getpid(), ticks).alive()
    assert not Process(os.getpid(), ticks - 1).alive()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"pid": "x", "start_ticks": 1}', "\0"])
def test_a_damaged_run_file_names_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "up.json").write_text(content)
    assert read_run_file(tmp_path / "up.json") is None


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("", "{own}"),
        ("ann", "ann (as {own})"),
        ("EXAMPLE\\ann.b", "EXAMPLE\\ann.b (as {own})"),
        ("ann\nben", "{own}"),
        ("a" * 65, "{own}"),
    ],
)
def test_who_asks_by_sudo_is_told(monkeypatch: pytest.MonkeyPatch, by: str, told: str) -> None:
    own = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setenv("SUDO_USER", by)
    assert user_name() == told.format(own=own)
    monkeypatch.setenv("SUDO_USER", own)
    assert user_name() == own


def test_the_data_directory_is_private(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    prepare_data_dir(tmp_path / "data")
    for folder in ("data", "data/run", "data/logs"):
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700


def test_a_closed_terminal_ends_a_supervisor_unless_it_runs_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        assert signal.SIGHUP in stop_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert stop_signals() == (signal.SIGINT, signal.SIGTERM)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_directory_of_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("")
    tmp_path.chmod(0o755)
    with pytest.raises(UsageError, match=r"not a Seawall data directory: it contains index\.html"):
        prepare_data_dir(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "sign", ["run/up.lock", "control", "node", "identity", "lost+found", "run"]
)
def test_a_data_directory_of_before_or_a_new_disk_is_taken(tmp_path: Path, sign: str) -> None:
    (tmp_path / sign).mkdir(parents=True)
    prepare_data_dir(tmp_path)
    assert (tmp_path / "logs").is_dir()


def test_a_file_in_place_of_the_data_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(UsageError, match="cannot be used"):
        prepare_data_dir(tmp_path / "data")


@pytest.mark.parametrize("role", [("up", "--config", "x"), ("roles", "node")], ids=["up", "node"])
def test_an_unusable_data_directory_is_wrong_usage_and_told_on_every_terminal(
    tmp_path: Path, role: tuple[str, ...]
) -> None:
    place = tmp_path / "数据"
    place.write_text("")
    done = subprocess.run(
        [sys.executable, "-m", f"seawall.daemon.{role[0]}", "--data-dir", str(place), *role[1:]],
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f"{tmp_path}/?? cannot be used" in done.stderr.decode()
    assert "[data-dir-unusable]" in done.stderr.decode()


def test_the_second_supervisor_is_told_who_the_first_is(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path)
    lock = lock_data_dir(tmp_path)
    write_run_file(tmp_path / "run" / "up.json", os.getpid())
    with pytest.raises(ConflictError, match=f"process {os.getpid()}"):
        lock_data_dir(tmp_path)
    os.close(lock)
    os.close(lock_data_dir(tmp_path))


def test_a_child_that_cannot_start_is_started_again_ever_more_slowly(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path)
    read_end, write_end = os.pipe()
    child = Child("nothing", tmp_path, read_end, [])
    now_s, pauses = 0.0, []
    for _ in range(8):
        child.start(now_s) if not pauses else child.tick(now_s)
        _wait_for_end(child)
        assert "nothing ended (exit code 1)" in child.tick(now_s)
        pause_s = child.due_in_s(now_s)
        assert pause_s is not None
        pauses.append(round(pause_s, 6))
        assert keeps_ending(tmp_path, "nothing") == (len(pauses) >= limits.CHILD_ENDS_MAX)
        assert read_run_file(tmp_path / "run" / "nothing.json") is None
        assert "No module named seawall.daemon.nothing" in last_words(tmp_path, "nothing")
        assert child.tick(now_s + pause_s / 2) == ""
        assert child.pid is None
        now_s += pause_s
    assert pauses == sorted(pauses)
    assert pauses[0] == limits.CHILD_RESTART_PAUSE_MIN_S
    assert pauses[-1] == limits.CHILD_RESTART_PAUSE_MAX_S
    assert "No module named seawall.daemon.nothing" in child.last_words()
    os.close(read_end)
    os.close(write_end)


def test_a_child_that_ran_long_is_started_again_at_once(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path)
    read_end, write_end = os.pipe()
    child = Child("nothing", tmp_path, read_end, [])
    now_s = 0.0
    for _ in range(limits.CHILD_ENDS_MAX + 1):
        child.start(now_s)
        _wait_for_end(child)
        now_s += limits.CHILD_STABLE_AFTER_S
        child.tick(now_s)
        assert child.due_in_s(now_s) == pytest.approx(limits.CHILD_RESTART_PAUSE_MIN_S)
        assert not keeps_ending(tmp_path, "nothing")
    os.close(read_end)
    os.close(write_end)


def test_what_a_child_ended_with_is_told_until_it_is_well_again(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path)
    read_end, write_end = os.pipe()
    child = Child("nothing", tmp_path, read_end, [])
    child._arguments = [sys.executable, "-c", "raise SystemExit('\U0001f30a' * 450)"]
    child.start(0.0)
    _wait_for_end(child)
    child.tick(0.0)
    assert last_words(tmp_path, "nothing") == "\U0001f30a" * limits.LAST_WORDS_LENGTH_CHARS_MAX
    child._arguments = [sys.executable, "-c", "import signal; signal.pause()"]
    child.tick(1.0)
    child.tick(limits.CHILD_STABLE_AFTER_S)
    assert last_words(tmp_path, "nothing")
    child.tick(1.0 + limits.CHILD_STABLE_AFTER_S)
    assert last_words(tmp_path, "nothing") == ""
    child.kill()
    assert last_words(tmp_path, "nothing") == ""
    os.close(read_end)
    os.close(write_end)


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGTERM, "signal SIGTERM"), (signal.SIGRTMIN + 6, "signal 40")]
)
def test_a_child_may_end_by_any_signal(tmp_path: Path, number: int, words: str) -> None:
    prepare_data_dir(tmp_path)
    read_end, write_end = os.pipe()
    child = Child("nothing", tmp_path, read_end, [])
    child._arguments = [sys.executable, "-c", "import signal; signal.pause()"]
    child.start(0.0)
    assert child.pid is not None
    os.kill(child.pid, number)
    _wait_for_end(child)
    assert f"nothing ended ({words})" in child.tick(0.0)
    os.close(read_end)
    os.close(write_end)


def test_the_output_of_a_child_is_bounded(tmp_path: Path) -> None:
    prepare_data_dir(tmp_path)
    child = Child("nothing", tmp_path, 0, [])
    output = tmp_path / "logs" / "nothing.out"
    output.write_bytes(b"x" * (limits.CHILD_OUTPUT_SIZE_BYTES_MAX + 1))
    child.tick(0.0)
    assert output.stat().st_size == 0
    child.kill()


@pytest.mark.parametrize("in_its_place", [False, True])
def test_a_child_whose_logs_were_removed_is_started_again(
    tmp_path: Path, *, in_its_place: bool
) -> None:
    prepare_data_dir(tmp_path)
    read_end, write_end = os.pipe()
    child = Child("nothing", tmp_path, read_end, [])
    (tmp_path / "logs").rmdir()
    if in_its_place:  # what nothing can be written into
        (tmp_path / "logs").write_bytes(b"")
    assert child.tick(0.0) == ""
    _wait_for_end(child)
    assert "nothing ended (exit code 1)" in child.tick(0.0)
    if not in_its_place:
        assert (tmp_path / "logs").stat().st_mode & 0o777 == 0o700
        assert "No module named seawall.daemon.nothing" in child.last_words()
    os.close(read_end)
    os.close(write_end)


def test_who_listens_on_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0"):
            found = holder(Address("http", host, port))
            assert found is not None
            assert found.pid == os.getpid()
        assert holder(Address("http", "127.0.0.2", port)) is None
        assert holder(Address("http", "127.0.0.1", port), ours={os.getpid()}) is None
    assert holder(Address("http", "127.0.0.1", port)) is None


def test_nobody_else_is_looked_at_while_all_sockets_are_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = Address("http", "127.0.0.1", server.getsockname()[1])
        assert holder(address, ours={os.getpid(), 2**22 + 1}) is None
        assert holder(address, ours={1}) is not None
        with monkeypatch.context() as patched:
            patched.setattr(ports, "process_ids", lambda: pytest.fail("everybody is looked at"))
            assert holder(address, ours={os.getpid()}) is None


def test_who_listens_on_an_ipv6_port_is_named() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        assert holder(Address("http", "::1", port)) is not None
        assert holder(Address("http", "::", port)) is not None


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("{http: 127.0.0.1:80}", ["127.0.0.1:80"]),
        ('{http: ["0.0.0.0:80", "[::]:80"], https: 0.0.0.0:443}', None),
        ("{http: {address: 127.0.0.1:81, proxy_protocol: true}}", ["127.0.0.1:81"]),
        ("{http: [{address: 127.0.0.1:81}]}", ["127.0.0.1:81"]),
        ("{http: nonsense}", []),
        ("{http: 127.0.0.1:99999}", []),
        ("[]", []),
    ],
)
def test_the_addresses_of_a_site_file_are_found(listen: str, expected: list[str] | None) -> None:
    top, _ = parse("/s.yaml", f"listen: {listen}\n".encode())
    assert top is not None
    wanted = ["0.0.0.0:80", "[::]:80", "0.0.0.0:443"] if expected is None else expected
    assert [str(address) for address in addresses(top.get("listen"))] == wanted


def test_the_supervisor_stays_small() -> None:
    heavy = "{'asyncio', 'rich', 'typer', 'pydantic', 'httpx', 'yaml', 'grpc'}"
    code = f"import sys, seawall.daemon.up; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _wait_for_end(child: Child) -> None:
    process = child._process
    assert process is not None
    process.wait(30)


VIEW: Any = SimpleNamespace(urls=("http://127.0.0.1:1",), nodes=(SimpleNamespace(listeners=()),))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "answered 200."),
        (502, "is the origin running?"),
        (421, "no site has the host of http:"),
    ],
)
def test_the_answer_to_the_first_request_is_told(
    monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    monkeypatch.setattr(ready, "probe", lambda _url, _listeners: status)
    told = ready._try_one(VIEW, HandClock())
    assert told[0] == status
    assert words in told[1]


@pytest.mark.parametrize(("refused", "status"), [(3, 200), (10_000, None)])
def test_the_first_request_waits_for_workers_to_listen(
    monkeypatch: pytest.MonkeyPatch, refused: int, status: int | None
) -> None:
    clock, tries = HandClock(), itertools.count()

    def probe(_url: str, _listeners: object) -> int:
        if next(tries) < refused:
            raise ConnectionRefusedError(111, "Connection refused")
        return 200

    def sleep(duration_s: float) -> None:
        clock.time_s += duration_s

    monkeypatch.setattr(ready, "probe", probe)
    monkeypatch.setattr(ready.time, "sleep", sleep)
    began_s = clock.time_s
    found, words = ready._try_one(VIEW, clock)
    assert found == status
    assert ("Connection refused" in words) == (status is None)
    assert clock.time_s - began_s < limits.LISTEN_LAG_S + 1
