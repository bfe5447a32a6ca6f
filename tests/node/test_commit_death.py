"""What is said of an Envoy that dies while it takes a release."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from seawall.node.commit import attempt
from seawall.node.envoy import Slot

if TYPE_CHECKING:
    from seawall.compiler.snapshot import Snapshot
    from seawall.node.keeper import Keeper

EARLIER = b"[2026-11-29 20:26:09.111][5983][critical][main] of an earlier life\n"
CRASH = b"""[2026-11-29 20:26:10.498][6848][info][upstream] cds: added 1 cluster(s)
[2026-11-29 20:26:10.499][6848][critical][backtrace] Caught Segmentation fault, suspect 0x0
[2026-11-29 20:26:10.500][6848][critical][backtrace] #0: __restore_rt
"""


def _dying(directory: Path, last: bytes) -> "Keeper":
    """A keeper whose Envoy dies of SIGKILL once a commit has begun, and wrote `last` before."""
    begun = asyncio.Event()

    async def commit(*_: object, **__: object) -> None:
        with (directory / "envoy.log").open("ab") as file:
            file.write(last)
        begun.set()
        await asyncio.Event().wait()

    process = SimpleNamespace(exited=begun.wait, ending="It was killed by SIGKILL.")
    link, slot = SimpleNamespace(commit=commit), Slot("a", directory, directory / "access")
    keeper = SimpleNamespace(
        process=process, link=link, slot=slot, log_begins_at=len(EARLIER), loading=nullcontext
    )
    return cast("Keeper", keeper)


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (b"[2026-11-29 20:26:10.498][6848][info][main] all clusters initialized\n", ""),
        (b"[x][1][info] a\n}\n: no such layer\n", " Its log: : no such layer"),
        (CRASH, f" Its log: {CRASH.splitlines()[1].decode()}"),
    ],
)
def test_it_is_said_how_it_died_and_nothing_of_the_life_before(
    tmp_path: Path, last: bytes, told: str
) -> None:
    (tmp_path / "envoy.log").write_bytes(EARLIER)

    async def story() -> None:
        end = await attempt(_dying(tmp_path, last), cast("Snapshot", None))
        assert end.why == f"Envoy died while it loaded the release. It was killed by SIGKILL.{told}"

    asyncio.run(story())
