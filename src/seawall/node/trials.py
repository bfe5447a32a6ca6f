"""Trials of a release on this node: candidate and baseline beside stable, shares by the kernel.

    start -> (taste) -> open -> steer(n) ... -> withdraw          it is not taken
                                             -> turn              it becomes stable (new process)
                                             -> Serving.commit, then withdraw    stable takes it

It does what it is told and decides nothing about a release. What it sees to by itself is that the
shares stay true: when the candidate dies, its share goes back to stable at once; when stable dies,
whoever is left serves, and when it is back, its share is. Deaths are told (`died`), never mended.

One thing is done at a time, in the order asked.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from pathlib import Path

from seawall.clock import Clock
from seawall.errors import SeawallError
from seawall.limits import ENVOY_READY_TIMEOUT_S, ENVOY_SWAP_DRAIN_S, TRIAL_ANSWER_TIMEOUT_S
from seawall.node.commit import Attempt
from seawall.node.keeper import Keeper
from seawall.node.kernel import Kernel
from seawall.node.lastgood import Loaded
from seawall.node.restraint import Usage, usage
from seawall.node.sharing import Sharing
from seawall.node.slots import Slots
from seawall.node.stage import Stage
from seawall.node.steering import Arm
from seawall.node.taste import has_taste, socket_name
from seawall.rollout.ports import Steering


class Trials:
    """The candidate and the baseline of this node.

    Args:
        slots: where they run.
        clock: for waiting.
        spawn: runs something beside everything else until it ends; the agent's own.
        kernel: the system calls; tests inject one that refuses.
        changed: called when something of the properties changed.
    """

    def __init__(
        self,
        slots: Slots,
        clock: Clock,
        spawn: Callable[[Coroutine[None, None, None]], None],
        *,
        kernel: Kernel | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._slots = slots
        self._spawn = spawn
        sharing = Sharing(kernel or Kernel(), clock)
        self._stage = Stage(slots, sharing, clock, spawn, changed)

    @property
    def steering(self) -> Steering:
        """How exactly connections can be shared out here; known after `start`."""
        return self._stage.sharing.steering

    @property
    def why_not_exact(self) -> str:
        """When `steering` is not `KERNEL`: a sentence for the notices."""
        return self._stage.sharing.why_not_exact

    @property
    def share_permille(self) -> int:
        """Of new connections that the candidate really gets now."""
        return self._stage.share_permille

    @property
    def died(self) -> asyncio.Event:
        """Set when the candidate of this trial has died; `start` clears it."""
        return self._stage.died

    @property
    def ending(self) -> str:
        """How it died, in words."""
        return self._stage.ending

    # --- What is running -----------------------------------------------------------------------

    def keeper(self, arm: Arm) -> Keeper | None:
        """The slot of an arm: for its collector (`slot.admin`), process id, restarts, log."""
        return self._slots.of(arm)

    @property
    def leftover(self) -> bool:
        """Whether there is a candidate or baseline, for example an earlier agent's.

        The kernel has kept the shares that one gave; `withdraw` ends it like any other trial.
        """
        return self._slots.on_trial

    @property
    def baseline(self) -> bool:
        """Whether a baseline takes part."""
        return self._stage.runs(Arm.BASELINE) is not None

    def taste_socket(self, arm: Arm, scheme: str) -> Path | None:
        """Where golden requests are asked of an arm, stable included; None when it has none.

        Args:
            arm: whom to ask.
            scheme: `http` is plain HTTP; `https` is TLS over the Unix socket, with SNI, as
                clients speak it (verify no certificate there: the name is what is under test).
        """
        keeper = self._stage.runs(arm)
        target = keeper.link.session.target if keeper is not None else None
        if keeper is None or target is None or not has_taste(target, scheme):
            return None  # a socket file that is still there is answered by nobody
        return keeper.slot.directory / socket_name(scheme)

    def usage(self, arm: Arm) -> Usage | None:
        """CPU seconds and memory of an arm's process; None when there is none."""
        keeper = self._stage.runs(arm)
        return None if keeper is None else usage(keeper.pid)

    def loads(self, arm: Arm) -> bool:
        """Whether an arm's Envoy is being given a release: its main thread may do nothing else.

        Some 4 ms for each certificate, and longer on a busy machine; it has a deadline of its own.
        """
        keeper = self._stage.runs(arm)
        return keeper is not None and keeper.loads

    async def answers(self, arm: Arm) -> bool:
        """Whether an arm's Envoy answers on its admin socket in time: a hung one does not."""
        keeper = self._stage.runs(arm)
        try:
            async with asyncio.timeout(TRIAL_ANSWER_TIMEOUT_S):
                return keeper is not None and await keeper.slot.admin.ready()
        except (SeawallError, TimeoutError):
            return False

    def explore(self, current: Loaded) -> None:
        """Find out, beside everything else, how exactly connections can be shared out here.

        So `steering` is known before the first trial. Asks the kernel and takes it back at once;
        does nothing while there is a trial.
        """
        self._spawn(self._explore(current))

    async def _explore(self, current: Loaded) -> None:
        async with self._stage.one:
            if not self.leftover:
                await self._stage.explore(current)

    def expect(self, current: Loaded) -> None:
        """A trial may begin within seconds: its candidate loads what it will share with `current`.

        Beside everything else, and only if there is no trial now.
        """
        self._spawn(self._expect(current))

    async def _expect(self, current: Loaded) -> None:
        async with self._stage.one:
            await self._stage.expect(current)

    # --- The steps of a trial ------------------------------------------------------------------

    async def start(
        self,
        loaded: Loaded,
        current: Loaded,
        asked: Collection[str] = (),
        *,
        baseline: bool,
        deadline_s: float,
    ) -> Attempt:
        """Start a candidate with `loaded` on private sockets only, and a baseline if wanted.

        When it returns well, Envoy has acknowledged everything and is ready, `taste_socket`
        answers for candidate and stable, and no client can reach the candidate. When not, nothing
        is left of it. A baseline that does not start is left out.

        Args:
            loaded: the release on trial.
            current: what stable serves; the baseline serves it too.
            asked: the hosts that are asked on private sockets; others may be unknown there.
            baseline: run a control beside the candidate.
            deadline_s: for all of it.
        """
        async with self._stage.one:
            return await self._stage.start(
                loaded, current, asked, baseline=baseline, deadline_s=deadline_s
            )

    async def open(self) -> Attempt:
        """Bind the public addresses, still without any share; only after `start` went well.

        Only addresses that stable listens on are bound: a new one comes with the commit.
        """
        async with self._stage.one:
            return await self._stage.open()

    async def steer(self, share_permille: int) -> Steering:
        """Give the candidate this share of new connections, and the baseline as much.

        `share_permille` tells afterwards what is really in effect. Where the kernel forbids
        steering, any share above 0 makes the candidate bind, with one socket beside stable's.
        """
        async with self._stage.one:
            await self._stage.steer(share_permille)
            return self.steering

    async def withdraw(self, drain_s: float = ENVOY_SWAP_DRAIN_S) -> None:
        """End the trial: no new connection to the candidate, then drain it, then stop it.

        Returns when stable has everything and nobody else listens; connections that are still
        open go on beside it for at most `drain_s` seconds, each told to close with its next answer.
        With 0 they are cut at once: for a candidate that hangs.
        """
        async with self._stage.one:
            await self._stage.end(drain_s)

    async def turn(self) -> Attempt:
        """The candidate becomes stable, and the old stable drains; no connection is lost.

        On failure the candidate is withdrawn and stable serves on. The caller then says what
        serves now (`Serving.current`).
        """
        async with self._stage.one:
            return await self._stage.turn()

    async def swap(self, loaded: Loaded, current: Loaded) -> Attempt:
        """Serve `loaded` from a new process, without a trial: `start`, `open` and `turn` in one.

        Where it listens on no address of `current`, nobody's connections need be shared out.
        """
        found = await self.start(loaded, current, baseline=False, deadline_s=ENVOY_READY_TIMEOUT_S)
        if not found.why and self.steering is not Steering.NONE:
            found = await self.open()
        return found if found.why else await self.turn()
