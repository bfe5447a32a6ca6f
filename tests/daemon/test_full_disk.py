"""`seawall up` on a disk that is full or read-only: what served before serves."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import wait_until
from seawall import limits
from seawall.daemon import standin
from seawall.daemon.processes import Process, RunFile, envoys, read_run_file, start_ticks
from seawall.daemon.standin import original_of, place_of
from seawall.demo.website import running_website
from seawall.errors import UnreachableError
from seawall_process import Edge, seawall_up
from small_disk import SmallDisk, small_disk


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running_website() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "data") as made:
        yield made


def _told(edge: Edge, words: str) -> Any:
    return wait_until(
        lambda: next((text for text in edge.notices() if words in text), None),
        what=f"a notice of {words!r}",
        deadline_s=30,
    )


def _envoy_pid(edge: Edge) -> int:
    return int(edge.json("status")["nodes"][0]["envoy"]["pid"])


def test_a_full_disk_at_the_start_serves_and_is_told_until_there_is_room(
    tmp_path: Path, origin: str, disk: SmallDisk
) -> None:
    with seawall_up(tmp_path, origin) as first:
        first.write(more="    timeout: 21s\n")
        assert first.json("apply")["changed"] is True
        assert first.interrupt() == 0
    disk.fill()
    with seawall_up(tmp_path, origin, port=first.port, cold=True) as edge:
        warned = edge.event("data-dir-not-written")
        assert f"{edge.data_dir} cannot be written: No space left on device" in warned["message"]
        assert "Free some space" in warned["remedy"]
        assert edge.event("ready")["release"] == "r2"
        assert edge.get()[0] == 200
        assert str(edge.data_dir) in _told(edge, "is full: access records and logs are lost")
        disk.fill()  # also the room that control was given
        edge.write(more="    timeout: 22s\n")
        refused = edge.json("apply", code=1)
        assert "No space left on device" in str(refused)
        again = edge.json("rollback", "r1", code=1)
        assert "Try again: Seawall has released its reserve space" in str(again)
        assert edge.get()[0] == 200
        disk.free()
        wait_until(lambda: edge.part("up"), what="it can be said that it runs")
        wait_until(lambda: edge.part("node"), what="and so of its parts")
        wait_until(
            lambda: not any("logs are lost" in text for text in edge.notices()),
            what="the notice goes",
            deadline_s=30,
        )
        assert edge.json("rollback", "r1")["changed"] is True
        assert edge.json("apply")["changed"] is True
        assert edge.interrupt() == 0


def test_an_envoy_that_could_not_be_written_down_is_found_by_a_new_agent(
    tmp_path: Path, origin: str, disk: SmallDisk
) -> None:
    with seawall_up(tmp_path, origin) as first:
        assert first.interrupt() == 0
    disk.fill()
    with seawall_up(tmp_path, origin, port=first.port, cold=True) as edge:
        assert edge.part("envoy") is None
        pid = _envoy_pid(edge)
        assert [process.pid for process in envoys(edge.data_dir)] == [pid]
        agent = edge.json("status")["nodes"][0]["agent_pid"]
        Process(agent, start_ticks(agent) or 0).send(9)
        wait_until(
            lambda: edge.agent() not in (0, agent),
            what="a new agent reports",
            deadline_s=30,
        )
        assert _envoy_pid(edge) == pid
        assert edge.get()[0] == 200
        assert edge.interrupt() == 0
        assert envoys(edge.data_dir) == ()


def test_nothing_that_ever_served_is_needed_to_start_on_a_full_disk(
    tmp_path: Path, origin: str, disk: SmallDisk
) -> None:
    (tmp_path / "data" / "node").mkdir()
    disk.fill()
    with seawall_up(tmp_path, origin, ready=False) as edge:
        assert edge.process.wait(60) == 3
        error = edge.error()
    assert error["code"] == "data-dir-not-written"


def test_a_run_file_is_written_when_it_can_be(tmp_path: Path) -> None:
    obstacle = tmp_path / "up.new"
    obstacle.mkdir()
    file = RunFile(tmp_path / "up.json")
    assert file.tell(os.getpid()) is not None
    assert file.tell_again() is not None
    assert read_run_file(tmp_path / "up.json") is None
    obstacle.rmdir()
    assert file.tell_again() is None
    found = read_run_file(tmp_path / "up.json")
    assert found is not None
    assert found.pid == os.getpid()
    file.remove()
    assert file.tell_again() is None
    assert not (tmp_path / "up.json").exists()


@pytest.mark.parametrize("state", ["read-only", "without inodes"])
def test_a_start_on_a_disk_that_takes_no_files_serves_from_a_copy_in_memory(
    tmp_path: Path, origin: str, disk: SmallDisk, state: str
) -> None:
    with seawall_up(tmp_path, origin) as first:
        assert first.interrupt() == 0
    if state == "read-only":
        disk.remount("ro")
    else:
        disk.fill_inodes()
    with seawall_up(tmp_path, origin, port=first.port) as edge:
        warned = edge.event("data-dir-copied")
        assert f"{edge.data_dir} accepts no new files" in warned["message"]
        assert "Make the disk writable again" in warned["remedy"]
        assert edge.event("ready")["release"] == "r1"
        assert edge.get()[0] == 200
        place = place_of(edge.data_dir)
        assert place != edge.data_dir
        assert original_of(place) == str(edge.data_dir)
        assert place.stat().st_mode & 0o777 == 0o700
        assert any("works on a copy in memory instead" in text for text in edge.notices())
        edge.write(more="    timeout: 21s\n")
        assert edge.json("apply")["release"]["id"] == "r2"
        with seawall_up(tmp_path, origin, port=first.port, ready=False) as other:
            assert other.process.wait(60) == 1
        assert edge.get()[0] == 200
        assert edge.run("down").returncode == 0
        assert not place.exists()
    if state == "read-only":
        disk.remount("rw")
    else:
        disk.free()
    with seawall_up(tmp_path, origin, port=first.port) as again:
        assert "data-dir-copied" not in {event.get("event") for event in again.events}
        assert place_of(again.data_dir) == again.data_dir
        assert again.get()[0] == 200
        assert again.interrupt() == 0


def test_nothing_is_copied_that_is_too_large_or_over_what_another_user_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standin, "_MEMORY", tmp_path)
    data_dir = tmp_path / "data"
    (data_dir / "node").mkdir(parents=True)
    (data_dir / "access").mkdir()
    (data_dir / "node" / "state.json").write_bytes(b"x" * 99)
    (data_dir / "access" / "access.ndjson").write_bytes(b"x" * 9_999)
    place = standin.copy(data_dir)
    assert (place / "node" / "state.json").read_bytes() == b"x" * 99
    assert not (place / "access").exists()
    moved = tmp_path / "moved"
    shutil.copytree(place, moved)
    for other in (data_dir, moved):
        standin.remove(other)
        assert other.exists(), "only a copy in memory is removed"
        assert original_of(other) == ""
    assert original_of(place) == str(data_dir)
    monkeypatch.setattr(limits, "STAND_IN_SIZE_BYTES_MAX", 98)
    with pytest.raises(UnreachableError, match="too large"):
        standin.copy(data_dir)
    assert (place / "node" / "state.json").exists()
    monkeypatch.setattr(limits, "STAND_IN_SIZE_BYTES_MAX", 999)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    taken = standin._place(data_dir)
    taken.mkdir()
    assert standin.copy(data_dir) != taken
    assert not [*taken.iterdir()], "what is of another user stays as it is"


def test_what_somebody_else_put_in_the_place_of_a_copy_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standin, "_MEMORY", tmp_path)
    data_dir, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    (elsewhere / "run").mkdir(parents=True)
    assert RunFile(elsewhere / "run" / "up.json").tell(os.getpid()) is None
    place = standin._place(data_dir)
    elsewhere.rename(place)
    assert place_of(data_dir) == place
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    assert place_of(data_dir) == data_dir
    place.unlink()
    elsewhere.rename(place)
    mine = place.lstat().st_uid
    monkeypatch.setattr(standin, "_place", lambda _: place)
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert place_of(data_dir) == data_dir
