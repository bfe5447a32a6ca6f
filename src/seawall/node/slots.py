"""The places Envoys run in, and which one of them serves.

`DIR/node/a` and `DIR/node/b` are slots; the link `DIR/node/stable` names the one that serves. A
release that only a new process can take is started in the other slot on the same ports (Envoy
binds with SO_REUSEPORT); when it serves, the link is turned and the old Envoy drains. An Envoy
found in the slot that does not serve is left over from an agent that died in between, and is
drained too. Later kinds of slots (candidate, baseline) are more names here.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall.limits import ENVOY_SWAP_DRAIN_S
from seawall.node.keeper import Keeper

STABLE: Final = "stable"
"""The link to the slot that serves."""
SLOT_NAMES: Final = ("a", "b")


class Slots:
    """The keepers of all slots, and the one that serves.

    Args:
        home: DIR/node.
        make: makes the keeper of a slot; called once for each.
        spawn: runs something beside everything else until it ends.
    """

    def __init__(
        self,
        home: Path,
        make: Callable[[str], Keeper],
        spawn: Callable[[Coroutine[None, None, None]], None],
    ) -> None:
        self._home = home
        self._keepers: Mapping[str, Keeper] = {name: make(name) for name in SLOT_NAMES}
        self._spawn = spawn
        self._idle = asyncio.Event()
        self._idle.set()
        self._active = SLOT_NAMES[0]

    @property
    def active(self) -> Keeper:
        """The one that serves."""
        return self._keepers[self._active]

    @property
    def all(self) -> tuple[Keeper, ...]:
        """Every keeper, whether or not it has an Envoy."""
        return tuple(self._keepers.values())

    def find(self) -> None:
        """Learn from disk which slot serves, and drain what is left in the other one.

        Raises:
            OSError: the directory cannot be written.
        """
        link = self._home / STABLE
        with suppress(OSError):
            target = str(link.readlink())
            if target in self._keepers:
                self._active = target
        self._point(self._active)
        standby = self._standby
        if standby.adopt():
            self._drain(standby)

    async def standby(self) -> Keeper:
        """The slot that does not serve, once nothing runs in it any more."""
        await self._idle.wait()
        return self._standby

    def turn(self) -> None:
        """The other slot serves from now on; what served before is drained."""
        old = self.active
        self._active = self._standby.slot.name
        with suppress(OSError):  # a restarted agent would serve from the old slot: still serving
            self._point(self._active)
        self._drain(old)

    @property
    def _standby(self) -> Keeper:
        return next(k for name, k in self._keepers.items() if name != self._active)

    def _point(self, name: str) -> None:
        link = self._home / STABLE
        if link.is_symlink() and str(link.readlink()) == name:
            return
        (self._home / name).mkdir(mode=0o700, exist_ok=True)
        fresh = self._home / f".{STABLE}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(link)

    def _drain(self, keeper: Keeper) -> None:
        self._idle.clear()

        async def drain() -> None:
            try:
                await keeper.stop(drain_s=ENVOY_SWAP_DRAIN_S)
            finally:
                self._idle.set()

        self._spawn(drain())
