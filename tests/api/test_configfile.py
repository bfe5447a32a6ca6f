"""Whether the site file on disk is the one that serves."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from seawall.api.configfile import ConfigFile
from seawall.api.work import Facts
from seawall.errors import ConflictError, SeawallError, UnreachableError, UsageError
from seawall.ids import Digest
from seawall.site.sources import SourceSet

if TYPE_CHECKING:
    from seawall.release.release import ReleaseRecord


class _Current:
    digest = Digest("0" * 64)
    sources = SourceSet("/a", ())


@pytest.mark.parametrize(
    ("why", "differs"),
    [
        (UsageError("site-file-missing", "It is not there."), True),
        (UnreachableError("workbench-lost", "It was killed."), None),
        (ConflictError("installation-replaced", "Seawall was updated."), None),
    ],
)
def test_a_file_that_nobody_could_read_is_not_told_as_edited(
    why: SeawallError, differs: bool | None
) -> None:
    async def collect(_: Path) -> SourceSet:
        raise why

    async def facts() -> Facts:
        return cast("Facts", _Current())

    async def tell() -> bool | None:
        file = ConfigFile(Path("/a"), collect)
        return await file.differs(cast("ReleaseRecord", _Current()), facts)

    assert asyncio.run(tell()) is differs
