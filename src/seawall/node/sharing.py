"""Shares of new connections on one node: exact where the kernel lets us, and honest where not.

Between `Trials`, which knows Envoys and releases, and `Groups`, which asks the kernel: the mode,
the waiting, and what a refusal means. Everything that blocks runs in a thread.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from seawall.clock import Clock
from seawall.errors import SeawallError
from seawall.limits import STEER_QUEUE_S_MAX, STEER_SETTLE_S, TRIAL_BIND_TIMEOUT_S
from seawall.node.envoy import EnvoyProcess
from seawall.node.groups import Groups, Pids
from seawall.node.kernel import Kernel, Place
from seawall.node.steering import PERMILLE, Shares
from seawall.rollout.ports import Steering

_POLL_S: Final = 0.01
TROUBLE: Final = (SeawallError, OSError)
"""What a refusing kernel or a vanished process raises."""


class Sharing:
    """Shares among the Envoys of one node.

    Attributes:
        steering: how exactly it can be done here; known after `prepare`.
        why_not_exact: when it is not `KERNEL`: a sentence for people; empty when a process died.
        places: where stable and candidate meet.
    """

    def __init__(self, kernel: Kernel, clock: Clock) -> None:
        self.steering = Steering.NONE
        self.why_not_exact = ""
        self.places: tuple[Place, ...] = ()
        self._groups = Groups(kernel, clock)
        self._clock = clock

    @property
    def exact(self) -> bool:
        """Whether the kernel is steering."""
        return self.steering is Steering.KERNEL

    @property
    def shares(self) -> Shares:
        """In effect, when exact."""
        return self._groups.shares

    async def prepare(
        self, stable_pid: int, wanted: Iterable[Place], current: Iterable[Place]
    ) -> None:
        """Before a candidate can bind: whoever binds from now on is given nothing.

        Args:
            stable_pid: 0 when nothing serves.
            wanted: what the candidate will listen on.
            current: what stable should listen on.
        """
        self.steering, self.why_not_exact, self.places = Steering.NONE, "", ()
        if not stable_pid:
            self.why_not_exact = "Nothing serves, so there are no connections to split."
            return
        places = tuple(wanted)
        served = frozenset(current)
        try:
            self.places = await asyncio.to_thread(self._groups.found, stable_pid, places)
            await asyncio.to_thread(self._groups.close, stable_pid, self.places)
        except TROUBLE as error:
            self.places = tuple(place for place in places if place in served)
            self.not_exact(error)
        else:
            self.steering = Steering.KERNEL
        if not self.places:
            self.steering = Steering.NONE
            self.why_not_exact = "The release shares no listener address with the current one."

    async def close_doors(self, stable_pid: int) -> None:
        """Once more, right before a candidate binds: stable may have been started anew.

        Raises:
            SeawallError: see `Groups.close`.
            OSError: the same.
        """
        await asyncio.to_thread(self._groups.close, stable_pid, self.places)

    async def take_over(self, pids: Pids, others: Iterable[int]) -> None:
        """Give stable everything where an earlier agent shared it with the processes `others`.

        Raises:
            SeawallError: see `Groups.learn`.
            OSError: the same.
        """
        found = [await asyncio.to_thread(self._groups.places_of, pid) for pid in others]
        self.places = tuple(dict.fromkeys(place for places in found for place in places))
        if self.places:
            await self.learn(pids)
            self.steering, self.why_not_exact = Steering.KERNEL, ""

    async def learn(self, pids: Pids) -> None:
        """See whose sockets are where.

        Raises:
            SeawallError: see `Groups.learn`.
            OSError: the same.
        """
        await asyncio.to_thread(self._groups.learn, pids, self.places)

    async def give(self, shares: Shares, pids: Pids) -> None:
        """Share out new connections so from now on.

        Raises:
            SeawallError: see `Groups.share`.
            OSError: the same.
        """
        if not await asyncio.to_thread(self._groups.fresh):
            await self.learn(pids)
        await asyncio.to_thread(self._groups.share, shares)

    async def hand_over(self, pids: Pids) -> None:
        """Everything to the candidate, such that stable may close its sockets.

        Raises:
            SeawallError: see `Groups.hand_over`.
            OSError: the same.
        """
        if not await asyncio.to_thread(self._groups.fresh):
            await self.learn(pids)
        await asyncio.to_thread(self._groups.hand_over)

    def stable_is_gone(self) -> None:
        """At once: see `Groups.stable_is_gone`."""
        with suppress(*TROUBLE):
            self._groups.stable_is_gone()

    async def let_go(self) -> None:
        """One process is left: the kernel needs no advice."""
        with suppress(*TROUBLE):
            await asyncio.to_thread(self._groups.let_go)

    async def bound(self, pid: int, places: Iterable[Place]) -> bool:
        """Wait until a process listens on all of `places`; False when it does not in time."""
        wanted = tuple(places)
        return await self._wait(lambda: self._groups.found(pid, wanted) == wanted)

    async def leave(self, processes: Iterable[EnvoyProcess]) -> None:
        """Processes that are given nothing any more close their sockets, and lose nobody.

        Handshakes that have begun may end, and what waits to be accepted is accepted first.
        """
        leaving = [process for process in processes if process.alive]
        if not leaving:
            return
        async with asyncio.TaskGroup() as tasks:
            for process in leaving:
                tasks.create_task(process.say_goodbye())
            tasks.create_task(self._clock.sleep(STEER_SETTLE_S))
        pids = [process.identity.pid for process in leaving]
        await self._wait(lambda: not any(map(self._groups.queued, pids)), STEER_QUEUE_S_MAX)
        for process in leaving:
            await process.stop_accepting()
        await self._wait(lambda: not any(self._groups.found(pid, self.places) for pid in pids))

    def not_exact(self, error: Exception) -> None:
        """The kernel refused: from now on shares are what its own hash gives."""
        self.steering = Steering.COARSE
        self.why_not_exact = ""
        if isinstance(error, FileNotFoundError | ProcessLookupError):
            return  # of a process that has just died: that is told elsewhere, and is no refusal
        self.why_not_exact = (
            f"Connections cannot be split exactly: {error} A candidate gets the share of one "
            "socket among the sockets of the serving Envoy."
        )

    async def _wait(
        self, condition: Callable[[], bool], timeout_s: float = TRIAL_BIND_TIMEOUT_S
    ) -> bool:
        deadline_s = self._clock.monotonic_s() + timeout_s
        while self._clock.monotonic_s() < deadline_s:
            try:
                if await asyncio.to_thread(condition):
                    return True
            except TROUBLE:
                return False
            await self._clock.sleep(_POLL_S)
        return False


def control_share(share_permille: int, *, baseline: bool) -> Shares:
    """The candidate's share, and as much for the baseline as is left."""
    return Shares(share_permille, min(share_permille, PERMILLE - share_permille) if baseline else 0)
