"""The places Envoys run in, and the role each of them has now.

`DIR/node/a` to `DIR/node/e` are slots: working directories, each with its own ADS node id, keeper
and session. The links `DIR/node/stable`, `candidate` and `baseline` say which slot has which role,
so that a restarted agent finds all of them. An Envoy in a slot without a role is on its way out:
it is drained, also when the agent that said so is dead. There are five slots so that a new trial
need not wait for the connections of the one before.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall.limits import ENVOY_SWAP_DRAIN_S
from seawall.node.keeper import Keeper
from seawall.node.steering import Arm

STABLE: Final = Arm.STABLE.value
"""The link to the slot that serves."""
SLOT_NAMES: Final = ("a", "b", "c", "d", "e")


class Slots:
    """The keepers of all slots, and their roles.

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
        self._roles: dict[Arm, str] = {Arm.STABLE: SLOT_NAMES[0]}
        self._draining: set[str] = set()
        self._freed = asyncio.Condition()

    @property
    def active(self) -> Keeper:
        """The one that serves."""
        return self._keepers[self._roles[Arm.STABLE]]

    @property
    def all(self) -> tuple[Keeper, ...]:
        """Every keeper, whether or not it has an Envoy."""
        return tuple(self._keepers.values())

    @property
    def on_trial(self) -> bool:
        """Whether there is a candidate or a baseline."""
        return any(arm is not Arm.STABLE for arm in self._roles)

    @property
    def free(self) -> bool:
        """Whether `take` need not wait."""
        return self._free() is not None

    def of(self, arm: Arm) -> Keeper | None:
        """The keeper with that role, if any has it."""
        name = self._roles.get(arm)
        return None if name is None else self._keepers[name]

    def find(self) -> None:
        """Learn the roles from disk, adopt the Envoys of a trial, and drain what has no role.

        Raises:
            OSError: the directory cannot be written.
        """
        for arm in Arm:  # stable first: an agent that died while it turned left two links to one
            name = self._linked(arm)
            if name in self._keepers and (arm is Arm.STABLE or self._role_of(name) is None):
                self._roles[arm] = name
        self._point(Arm.STABLE, self._roles[Arm.STABLE])
        for name, keeper in self._keepers.items():
            role = self._role_of(name)
            if role is Arm.STABLE:
                continue  # whoever boots adopts it, with a release in hand
            found = keeper.adopt()
            keeper.on_trial = role is not None
            if role is not None and not found:
                self.give_up(role)
            elif role is None and found:
                self.drain(keeper)

    async def take(self, arm: Arm) -> Keeper:
        """Give a free slot the role `arm`; waits while all of them are draining.

        Raises:
            OSError: the directory cannot be written.
        """
        async with self._freed:
            await self._freed.wait_for(lambda: self._free() is not None)
            name = self._free() or SLOT_NAMES[0]
            self._roles[arm] = name
        self._point(arm, name)
        return self._keepers[name]

    def give_up(self, arm: Arm) -> None:
        """Nothing has the role `arm` any more."""
        self._roles.pop(arm, None)
        with suppress(OSError):  # a restarted agent would find it, and nothing running in it
            (self._home / arm.value).unlink(missing_ok=True)

    def retire(self, arm: Arm, *, drain_s: float = ENVOY_SWAP_DRAIN_S) -> None:
        """Take the role away and drain the Envoy beside everything else."""
        keeper = self.of(arm)
        self.give_up(arm)
        if keeper is not None:
            self.drain(keeper, drain_s=drain_s)

    def turn(self) -> Keeper:
        """The candidate serves from now on; what served before has no role and is to be drained."""
        old, new = self.active, self._roles[Arm.CANDIDATE]
        self._roles[Arm.STABLE] = new
        old.on_trial = True  # a death on its way out is not mended
        with suppress(OSError):  # a restarted agent would serve from the old slot: still serving
            self._point(Arm.STABLE, new)
        self.give_up(Arm.CANDIDATE)
        return old

    def drain(self, keeper: Keeper, *, drain_s: float = ENVOY_SWAP_DRAIN_S) -> None:
        """End the Envoy of a slot without a role: its connections may end first."""
        name = keeper.slot.name
        self._draining.add(name)

        async def drain() -> None:
            try:
                await keeper.stop(drain_s=drain_s, patient=True)
            finally:
                self._draining.discard(name)
                async with self._freed:
                    self._freed.notify_all()

        self._spawn(drain())

    def _free(self) -> str | None:
        busy = {*self._roles.values(), *self._draining}
        return next((name for name in SLOT_NAMES if name not in busy), None)

    def _role_of(self, name: str) -> Arm | None:
        return next((arm for arm, slot in self._roles.items() if slot == name), None)

    def _linked(self, arm: Arm) -> str:
        try:
            return str((self._home / arm.value).readlink())
        except OSError:
            return ""

    def _point(self, arm: Arm, name: str) -> None:
        link = self._home / arm.value
        if self._linked(arm) == name:
            return
        (self._home / name).mkdir(mode=0o700, exist_ok=True)
        fresh = self._home / f".{arm.value}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(link)
