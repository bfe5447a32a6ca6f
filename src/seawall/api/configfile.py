"""The site file that `seawall up` was started with: read at start, compared for `status`.

Editing the file changes nothing until somebody applies it; `status` only says that it differs.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from seawall.api.work import Facts
from seawall.errors import ConflictError, SeawallError, UnreachableError
from seawall.release.release import ReleaseRecord
from seawall.site.sources import SourceSet

Look = tuple[str, tuple[tuple[int, int] | None, ...]]
"""Digest of the current release, and time and size of each of its source files."""


class ConfigFile:
    """One site file on disk."""

    def __init__(self, path: Path, collect: Callable[[Path], Awaitable[SourceSet]]) -> None:
        self.path = path
        self._collect = collect
        self._paths: tuple[str, ...] = ()
        self._looked: Look | None = None
        self._differs: bool | None = None

    async def differs(
        self, current: ReleaseRecord | None, facts: Callable[[], Awaitable[Facts | None]]
    ) -> bool | None:
        """Whether the file differs from the current release; None when that cannot be said.

        A file is read again only when its time or size, or the release, has changed.
        """
        if current is None:
            return None
        digest = current.digest
        if self._looked is not None and self._looked[0] == digest:
            look = digest, await asyncio.to_thread(_stats, self._paths)
            if look == self._looked:
                return self._differs
        released = await facts()
        if released is None:
            return None
        try:
            sources = await self._collect(self.path)
        except (ConflictError, UnreachableError):
            return None  # nobody could look, which says nothing of the file
        except SeawallError:
            return True
        folders = {os.path.dirname(file.path) for file in sources.files}  # noqa: PTH120 - text
        self._paths = (*sorted(folders), *(file.path for file in sources.files))
        self._looked = digest, await asyncio.to_thread(_stats, self._paths)
        self._differs = sources != released.sources
        return self._differs


def _stats(paths: tuple[str, ...]) -> tuple[tuple[int, int] | None, ...]:
    return tuple(_stat(path) for path in paths)


def _stat(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - paths of a source set are text
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
