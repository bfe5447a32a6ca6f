"""A file system of its own in memory, which a test fills to the last byte or makes read-only."""

import contextlib
import errno
import itertools
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_SIZE_MIB: Final = 96
"""Two releases, and three slots with their windows."""
_INODES: Final = 1_000
_BLOCK: Final = b"\0" * 4096
_FILLINGS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """Mounted at `path`."""

    path: Path

    def fill(self) -> None:
        """Leave no byte free; what uses the disk may give some back meanwhile."""
        for _ in range(_FILLINGS_MAX):
            with (
                (self.path / "filling").open("ab", buffering=0) as file,
                contextlib.suppress(OSError),
            ):
                while True:
                    file.write(_BLOCK)
            if self._is_full():
                return
        raise AssertionError("the disk does not stay full")

    def _is_full(self) -> bool:
        probe = self.path / "probe"
        try:
            probe.write_bytes(b"x")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return True
        finally:
            probe.unlink(missing_ok=True)
        return False

    def fill_inodes(self) -> None:
        """Leave room for bytes, and for no file."""
        filling = self.path / "filling"
        filling.mkdir()
        with contextlib.suppress(OSError):
            for number in itertools.count():
                (filling / str(number)).touch()
        with pytest.raises(OSError, match="No space left"):
            (filling / "probe").touch()

    def free(self) -> None:
        """Take back what was filled."""
        filling = self.path / "filling"
        if filling.is_dir():
            shutil.rmtree(filling)
        else:
            filling.unlink()

    def remount(self, mode: str) -> None:
        """`ro` or `rw`; nothing may be open for writing."""
        _run("mount", "-o", f"remount,{mode}", str(self.path))


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[SmallDisk]:
    """Mount one at `path`, which is made."""
    path.mkdir()
    try:
        _run(
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"size={_SIZE_MIB}m,nr_inodes={_INODES},mode=0700",
            "none",
            str(path),
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a file system")
    try:
        yield SmallDisk(path)
    finally:
        _run("umount", "--lazy", str(path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
