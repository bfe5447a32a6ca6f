"""The room that is kept beside a store: what is taken, when it is given, and when taken again."""

import errno
import os
import types
from pathlib import Path

import pytest

from seawall.errors import UnreachableError
from seawall.limits import STORE_RESERVE_ROOM_BYTES_MIN
from seawall.release.reserve import SIZES_BYTES, Reserve
from seawall.release.sqlite import SqliteBackend


def test_the_reserve_takes_what_there_is_and_gives_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, middle, least = SIZES_BYTES
    reserve = Reserve(tmp_path / "seawall.db")
    reserve.keep()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= most
    assert reserve.give()
    assert not reserve.give()
    allocate = os.posix_fallocate

    def scarce(descriptor: int, begin: int, size: int) -> None:
        if size > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        allocate(descriptor, begin, size)

    monkeypatch.setattr(os, "posix_fallocate", scarce)
    room = middle
    reserve.keep()
    assert (tmp_path / "reserve").stat().st_size == middle
    reserve.give()
    room = least - 1
    reserve.keep()
    assert not (tmp_path / "reserve").exists()


def test_it_is_taken_again_only_of_plenty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = Reserve(tmp_path / "seawall.db")
    for free, kept in ((STORE_RESERVE_ROOM_BYTES_MIN - 1, False), (1 << 40, True)):
        found = types.SimpleNamespace(f_bavail=free, f_frsize=1)
        monkeypatch.setattr(os, "statvfs", lambda _path, found=found: found)
        reserve.keep_of_plenty()
        assert reserve.kept is kept


def test_a_store_that_is_full_gives_it_and_says_to_try_again(tmp_path: Path) -> None:
    path = tmp_path / "seawall.db"
    reserve = Reserve(path)
    reserve.keep()
    backend = SqliteBackend(path, 1.0)

    def fill() -> None:
        with backend.plain_words(), backend.writer.begin() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 2")  # as on a full disk
            connection.exec_driver_sql("CREATE TABLE more (x)")
            connection.exec_driver_sql("INSERT INTO more VALUES (zeroblob(99999))")

    with pytest.raises(UnreachableError) as first:
        fill()
    assert first.value.code == "store-full"
    assert "Try again" in first.value.remedy
    assert not reserve.kept
    with pytest.raises(UnreachableError) as second:
        fill()
    assert second.value.code == "store-full"
    assert "Free some space and try again" in second.value.remedy
    backend.engine.dispose()
