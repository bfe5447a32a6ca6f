"""A sacrificial Envoy that is started before the release is known which it will meet.

Most of the time that an Envoy needs to load a large release goes into its origins, and most origins
of a release are those of the current one. So an Envoy is started with these as soon as somebody
works on a release, and is told the rest when the release is compiled: other origins, and all of its
routes and listeners. It is as fresh as any other and has met nothing; what it holds in the end is
what it would hold if it had been started then.

It only saves time. Whoever is not content with what such an Envoy answers starts another one, and
believes that one.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seawall.compiler.snapshot import Snapshot
from seawall.gate.plate import Plate
from seawall.gate.rewrite import (
    BOOTSTRAP,
    CLUSTERS,
    LISTENERS,
    Harmless,
    without_listeners,
)
from seawall.gate.sacrifice import End

if TYPE_CHECKING:
    from seawall.ids import Digest

Serve = Callable[[Harmless], AbstractAsyncContextManager[Plate]]
"""A sacrificial Envoy inside a block."""
_LAST: Final = (CLUSTERS, LISTENERS)
"""Origins before listeners, whose routes need them; route tables are read with their listener."""
_REMEMBERED: Final = 2


class Early:
    """At most one such Envoy.

    Args:
        serve: starts it.
        make: a release made harmless, in files that are followed; blocks.
    """

    def __init__(self, serve: Serve, make: Callable[[Snapshot], Harmless]) -> None:
        self._serve = serve
        self._make = make
        self._stack = AsyncExitStack()
        self._plate: Plate | None = None
        self._holds: Harmless | None = None
        self._made: dict[Digest, Harmless] = {}

    @property
    def stands(self) -> bool:
        """Whether there is one that has met nothing yet."""
        return self._plate is not None

    async def begin(self, current: Snapshot) -> None:
        """Start one with the origins of the current release, instead of the one before.

        Raises:
            OSError: it cannot be started.
        """
        await self.end()
        ready = await asyncio.to_thread(self._ready, current)
        self._plate = await self._stack.enter_async_context(self._serve(without_listeners(ready)))
        self._holds = ready

    async def meet(self, release: Snapshot) -> Plate | None:
        """Let it have `release`; None when there is none that can be told all of it.

        It meets one release: another one meets another Envoy.

        Raises:
            OSError: the files cannot be written.
        """
        plate, holds = self._plate, self._holds
        self._plate = self._holds = None
        if plate is None or holds is None or plate.end is not End.RUNNING:
            return None
        wanted = await asyncio.to_thread(self._ready, release)
        same_process = wanted.files[BOOTSTRAP] == holds.files[BOOTSTRAP]
        if not same_process or wanted.sockets != holds.sockets:
            return None
        await asyncio.to_thread(_tell, plate.directory, holds.files, wanted.files)
        plate.told_now()
        return plate

    def _ready(self, snapshot: Snapshot) -> Harmless:
        """What is current was met last time: it is made once."""
        ready = self._made.pop(snapshot.digest, None) or self._make(snapshot)
        self._made[snapshot.digest] = ready
        for oldest in list(self._made)[:-_REMEMBERED]:
            del self._made[oldest]
        return ready

    async def end(self) -> None:
        """Nothing is left of it when this returns."""
        self._plate = self._holds = None
        await self._stack.aclose()


def _tell(directory: Path, old: dict[str, bytes], new: dict[str, bytes]) -> None:
    changed = [name for name, content in new.items() if old.get(name) != content]
    tables = [name for name in changed if name not in _LAST]
    for name in (*tables, *(name for name in _LAST if name in changed or name == LISTENERS)):
        partial = directory / f"{name}.new"
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(new[name])
        partial.replace(directory / name)
