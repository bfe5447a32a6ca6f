"""A candidate's head start: it loads what a coming release will share with the current one.

Most of the time that an Envoy takes to load a release goes to origins, and most changes do not
touch them. So while a change is still in the gate, a new process is given the current release
without its routes, on private sockets. If the change turns out to differ in routes alone, this
process becomes its candidate: it has then loaded every byte of the release from nothing, only some
of them before the others were known. If anything else differs, or if no change comes, the process
is ended.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final

from seawall.clock import Clock
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import SeawallError
from seawall.limits import HEAD_START_S
from seawall.node.keeper import Keeper
from seawall.node.lastgood import Loaded
from seawall.node.slots import Slots
from seawall.node.steering import Arm
from seawall.node.taste import with_taste

_LATER: Final = TypeUrl.ROUTES
"""What may differ."""


@dataclass(frozen=True)
class _Ahead:
    keeper: Keeper
    given: tuple[Resource, ...]
    workers: int


class HeadStart:
    """At most one process that waits for a release, in the slot of the candidate.

    Args:
        slots: where it runs.
        clock: for waiting.
        spawn: runs something beside everything else until it ends.
        one: held by whoever does something with the slots; held by all who call, too.
    """

    def __init__(
        self,
        slots: Slots,
        clock: Clock,
        spawn: Callable[[Coroutine[None, None, None]], None],
        one: asyncio.Lock,
    ) -> None:
        self._slots = slots
        self._clock = clock
        self._spawn = spawn
        self._one = one
        self._ahead: _Ahead | None = None

    @property
    def waits(self) -> bool:
        """Whether what is in the candidate's slot has no release yet."""
        return self._ahead is not None

    async def begin(self, current: Loaded, workers: int) -> None:
        """Start a process with what can be known, unless there is a trial.

        Nothing is awaited, and no failure matters.

        Args:
            current: the current release.
            workers: threads; 0 for as many as stable has.
        """
        if self._slots.on_trial or not self._slots.free:
            return
        try:
            keeper = await self._slots.take(Arm.CANDIDATE)
        except OSError:
            self._slots.give_up(Arm.CANDIDATE)
            return
        self._ahead = ahead = _Ahead(keeper, _shared_part(current.snapshot), workers)
        try:
            keeper.try_out(current.snapshot, workers)
            keeper.link.aim(with_taste(Snapshot(ahead.given), (), ()))
        except SeawallError:
            await self.end()
        else:
            self._spawn(self._wait(ahead))

    async def _wait(self, ahead: _Ahead) -> None:
        await self._clock.sleep(HEAD_START_S)
        async with self._one:
            if self._ahead is ahead:
                await self.end()

    async def take(self, release: Snapshot, workers: int) -> Keeper | None:
        """The process, if all that it was given is in `release`, and all of that but the routes.

        It is nobody's afterwards, or ended.
        """
        ahead = self._ahead
        if (
            ahead is not None
            and ahead.keeper.running
            and not ahead.keeper.link.session.stuck
            and ahead.workers == workers
            and ahead.given == _shared_part(release)
        ):
            self._ahead = None
            return ahead.keeper
        await self.end()
        return None

    async def end(self) -> None:
        """End the process, if there is one."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await ahead.keeper.kill()
            self._slots.give_up(Arm.CANDIDATE)


def _shared_part(snapshot: Snapshot) -> tuple[Resource, ...]:
    return tuple(r for r in snapshot.resources if r.type_url is not _LATER)
