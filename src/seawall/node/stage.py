"""How a trial is carried out: one step at a time, called by `Trials`, which sees to the order.

It keeps the shares true by itself when an Envoy dies: the candidate's share goes back to stable at
once; when stable dies, whoever is left serves, and when it is back, its share is.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Final

from seawall.clock import Clock
from seawall.compiler.snapshot import Snapshot
from seawall.limits import ENVOY_READY_TIMEOUT_S
from seawall.node.commit import Attempt, attempt
from seawall.node.groups import Pids
from seawall.node.headstart import HeadStart
from seawall.node.keeper import Keeper
from seawall.node.lastgood import Loaded
from seawall.node.sharing import TROUBLE, Sharing, control_share
from seawall.node.slots import Slots
from seawall.node.steering import PERMILLE, Arm, Shares
from seawall.node.taste import public_places, with_taste, without_taste
from seawall.rollout.ports import Steering

_POLL_S: Final = 0.01
_ON_TRIAL: Final = (Arm.CANDIDATE, Arm.BASELINE)
"""In the order in which they bind: see `Groups.stable_is_gone`."""


class Stage:
    """Stable, candidate and baseline, and what of the trial is in effect.

    Args:
        slots: where they run.
        sharing: of new connections.
        clock: for waiting.
        spawn: runs something beside everything else until it ends.
        changed: called when something of the attributes changed.

    Attributes:
        one: held by whoever does something.
        share_permille: that the candidate really gets.
        died: the candidate died.
        ending: how, in words.
    """

    def __init__(
        self,
        slots: Slots,
        sharing: Sharing,
        clock: Clock,
        spawn: Callable[[Coroutine[None, None, None]], None],
        changed: Callable[[], None],
    ) -> None:
        self.one = asyncio.Lock()
        self.sharing = sharing
        self.share_permille = 0
        self.died = asyncio.Event()
        self.ending = ""
        self._slots = slots
        self._clock = clock
        self._spawn = spawn
        self._changed = changed
        self._loaded: Loaded | None = None
        self._current: Loaded | None = None
        self._opened = False
        self._asked: Collection[str] = ()
        self._head_start = HeadStart(slots, clock, spawn, self.one)

    def runs(self, arm: Arm) -> Keeper | None:
        """The keeper of an arm whose Envoy runs."""
        keeper = self._slots.of(arm)
        return keeper if keeper is not None and keeper.running else None

    def pids(self) -> Pids:
        """Of the arms that run."""
        keepers = {arm: self.runs(arm) for arm in Arm}
        return {arm: keeper.pid for arm, keeper in keepers.items() if keeper is not None}

    # --- Start ---------------------------------------------------------------------------------

    async def start(
        self,
        loaded: Loaded,
        current: Loaded,
        asked: Collection[str],
        *,
        baseline: bool,
        deadline_s: float,
    ) -> Attempt:
        """See `Trials.start`."""
        await self._clear(loaded, current)
        self._asked = asked
        places = (public_places(release.snapshot) for release in (loaded, current))
        await self.sharing.prepare(self.pids().get(Arm.STABLE, 0), *places)
        workers = self._workers
        found: dict[Arm, Attempt] = {}

        async def begin(arm: Arm, release: Loaded) -> None:
            found[arm] = await self._begin(arm, release, deadline_s, workers)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(begin(Arm.CANDIDATE, loaded))
            if baseline and self.sharing.exact:
                tasks.create_task(begin(Arm.BASELINE, current))
            tasks.create_task(self._let_taste(current.snapshot))
        self._changed()
        if found[Arm.CANDIDATE].why:
            await self.end(0)
            return found[Arm.CANDIDATE]
        self._read_ahead()
        if Arm.BASELINE in found and found[Arm.BASELINE].why:
            await self._kill(Arm.BASELINE)
        return found[Arm.CANDIDATE]

    def _read_ahead(self) -> None:
        """While golden requests are asked, read what `open` would wait for."""
        keeper = self.runs(Arm.CANDIDATE)
        if keeper is not None and self.sharing.exact:
            snapshot = self._release_of(Arm.CANDIDATE)
            keeper.link.aim(with_taste(snapshot, self._asked, (), ahead=True))

    async def explore(self, current: Loaded) -> None:
        """See `Trials.explore`."""
        places = public_places(current.snapshot)
        stable = self.pids().get(Arm.STABLE, 0)
        if stable:
            await self.sharing.bound(stable, places)
        await self.sharing.prepare(stable, places, places)
        await self.sharing.let_go()
        self._changed()

    async def expect(self, current: Loaded) -> None:
        """See `Trials.expect`."""
        await self._head_start.begin(current, self._workers)

    @property
    def _workers(self) -> int:
        """Threads of a candidate: as many as stable has, where they take no more than its share."""
        return 0 if self.sharing.exact else 1

    async def _clear(self, loaded: Loaded, current: Loaded) -> None:
        if self._slots.on_trial and not self._head_start.waits:
            await self.end(0)
        self._loaded, self._current = loaded, current
        self._watch()

    def _watch(self) -> None:
        """Hear of deaths from now on, and of none before."""
        self.died.clear()
        self.ending = ""
        for arm in Arm:
            keeper = self._slots.of(arm)
            if keeper is not None:
                keeper.on_exit = self._on_exit

    async def _begin(
        self, arm: Arm, release: Loaded, deadline_s: float, workers: int = 0
    ) -> Attempt:
        ahead = None
        if arm is Arm.CANDIDATE:
            ahead = await self._head_start.take(release.snapshot, workers)
        if ahead is not None:
            found = await self._load(ahead, release, deadline_s)
            if not found.why:
                return found
            await self._kill(arm)  # one that had loaded nothing before the release decides
            self._watch()
        try:
            keeper = await self._slots.take(arm)
        except OSError as error:
            return Attempt(f"The {arm} cannot be started: {error}", blames_content=False)
        keeper.on_exit = self._on_exit
        keeper.try_out(release.snapshot, workers)
        if keeper.trouble:
            return Attempt(keeper.trouble, blames_content=False)
        return await self._load(keeper, release, deadline_s)

    async def _load(self, keeper: Keeper, release: Loaded, deadline_s: float) -> Attempt:
        private = with_taste(release.snapshot, self._asked, ())
        return await attempt(keeper, private, timeout_s=deadline_s, ready_timeout_s=deadline_s)

    async def _let_taste(self, snapshot: Snapshot) -> None:
        """Stable answers golden requests too; when it will not, the comparison goes without."""
        stable = self.runs(Arm.STABLE)
        if stable is not None:
            found = await attempt(stable, with_taste(snapshot, self._asked), proven=True)
            if found.why:
                stable.link.aim(snapshot)

    # --- Open and steer ------------------------------------------------------------------------

    async def open(self) -> Attempt:
        """See `Trials.open`."""
        if self.sharing.steering is Steering.NONE:
            return Attempt(self.sharing.why_not_exact, blames_content=False)
        if not self.sharing.exact:
            return Attempt()  # binding is all the share there is: it comes with `steer`
        try:
            await self.sharing.close_doors(self.pids().get(Arm.STABLE, 0))
            self._opened = True
            found = await self._bind(Arm.CANDIDATE)
            if found.why:
                await self.end(0)
                return found
            if self._slots.of(Arm.BASELINE) is not None and (await self._bind(Arm.BASELINE)).why:
                await self._kill(Arm.BASELINE)
            await self.sharing.learn(self.pids())
        except TROUBLE as error:
            await self.end(0)
            return Attempt(f"Connections cannot be split: {error}", blames_content=False)
        return Attempt()

    async def _bind(self, arm: Arm) -> Attempt:
        """Open the public listeners of an arm and wait for its sockets."""
        keeper = self.runs(arm)
        if keeper is None:
            return Attempt(f"The {arm} is not running. {self.ending}")
        places = self.sharing.places
        snapshot = with_taste(self._release_of(arm), self._asked, places)
        found = await attempt(keeper, snapshot, proven=arm is Arm.BASELINE)
        own = [place for place in public_places(snapshot) if place in places]
        if not found.why and not await self.sharing.bound(keeper.pid, own):
            return Attempt("Its listeners did not open in time.")
        return found

    def _release_of(self, arm: Arm) -> Snapshot:
        loaded = self._loaded if arm is Arm.CANDIDATE else self._current
        return loaded.snapshot if loaded is not None else Snapshot(())

    async def steer(self, share_permille: int) -> None:
        """See `Trials.steer`."""
        if self.runs(Arm.CANDIDATE) is None:
            share_permille = 0
        if self.sharing.exact and self._opened:
            baseline = self.runs(Arm.BASELINE) is not None
            try:
                await self.sharing.give(
                    control_share(share_permille, baseline=baseline), self.pids()
                )
            except TROUBLE as error:
                self.sharing.not_exact(error)
            else:
                self.share_permille = share_permille
                self._changed()
                return
        await self._steer_coarsely(on=share_permille > 0)
        self._changed()

    async def _steer_coarsely(self, *, on: bool) -> None:
        """By the kernel's own hash: the candidate's sockets are there, or they are not."""
        keeper = self.runs(Arm.CANDIDATE)
        self.share_permille = 0
        if keeper is None or self.sharing.steering is not Steering.COARSE:
            return
        places = self.sharing.places if on else ()
        snapshot = with_taste(self._release_of(Arm.CANDIDATE), self._asked, places)
        found = await attempt(keeper, snapshot, proven=not on)
        if on and not found.why:
            everybody = keeper.workers + self._slots.active.workers
            self.share_permille = -(-PERMILLE * keeper.workers // everybody)

    # --- End -----------------------------------------------------------------------------------

    async def end(self, drain_s: float) -> None:
        """See `Trials.withdraw`."""
        await self._head_start.end()
        await self._give_back()
        keepers = [keeper for arm in _ON_TRIAL if (keeper := self._slots.of(arm)) is not None]
        if drain_s > 0:
            await self.sharing.leave(k.process for k in keepers if k.process is not None)
        for arm in _ON_TRIAL:
            if drain_s > 0:
                self._slots.retire(arm, drain_s=drain_s)
            else:
                await self._kill(arm)
        await self._close_the_stage()

    async def _give_back(self) -> None:
        """Stable gets everything, also when it was an earlier agent that steered."""
        pids = self.pids()
        try:
            if Arm.STABLE in pids and not self.sharing.places:
                others = [pid for arm, pid in pids.items() if arm is not Arm.STABLE]
                await self.sharing.take_over(pids, others)
            elif self.sharing.exact and self._opened:
                await self.sharing.give(Shares(), pids)
        except TROUBLE as error:
            self.sharing.not_exact(error)
        if not self.sharing.exact:
            await self._steer_coarsely(on=False)
        self.share_permille = 0

    async def _kill(self, arm: Arm) -> None:
        keeper = self._slots.of(arm)
        if keeper is not None:
            await keeper.kill()
            self._slots.give_up(arm)

    async def _close_the_stage(self) -> None:
        """Only one Envoy is left on the public addresses."""
        await self.sharing.let_go()
        self._opened, self.share_permille = False, 0
        self._loaded = self._current = None  # a release takes megabytes, and the trial is over
        stable = self._slots.active
        target = stable.link.session.target
        if target is not None and (plain := without_taste(target)) is not target:
            stable.link.aim(plain)
        self._changed()

    async def turn(self) -> Attempt:
        """See `Trials.turn`."""
        candidate, old, loaded = self.runs(Arm.CANDIDATE), self._slots.active, self._loaded
        if candidate is not None and loaded and candidate.workers != old.workers:
            await self.end(0)  # it had one worker, for a coarse share: begin anew with all
            self._loaded = loaded
            await self._begin(Arm.CANDIDATE, loaded, ENVOY_READY_TIMEOUT_S)
            candidate = self.runs(Arm.CANDIDATE)
        if candidate is None or loaded is None:
            await self.end(0)
            return Attempt(f"The candidate is not running. {self.ending}")
        try:
            if self.sharing.exact and not self._opened and (found := await self.open()).why:
                return found
            await self._without_baseline()
            found = await attempt(candidate, loaded.snapshot)
            if not found.why and self._opened:
                await self.sharing.hand_over(self.pids())
            if not found.why and not candidate.running:  # its first clients may be its death
                found = Attempt(f"The candidate is not running. {self.ending}")
        except TROUBLE as error:
            found = Attempt(f"Connections cannot be handed over: {error}", blames_content=False)
        if found.why:
            await self.end(0)
            return found
        old = self._slots.turn()
        candidate.become_stable()
        self._changed()
        await self.sharing.leave((old.process,) if old.process is not None else ())
        self._slots.drain(old)
        await self._close_the_stage()
        return Attempt()

    async def _without_baseline(self) -> None:
        baseline = self.runs(Arm.BASELINE)
        if baseline is None or baseline.process is None:
            self._slots.give_up(Arm.BASELINE)
            return
        if self._opened:
            await self.sharing.give(Shares(candidate=self.share_permille), self.pids())
        await self.sharing.leave((baseline.process,))
        self._slots.retire(Arm.BASELINE)

    # --- Deaths --------------------------------------------------------------------------------

    def _on_exit(self, keeper: Keeper) -> None:
        """An Envoy has died that nobody asked to; called before it is started again."""
        if keeper is self._slots.active:
            if self._opened and not self.one.locked():
                self.sharing.stable_is_gone()
            if self._opened:
                self._spawn(self._stable_is_back(keeper))
        elif keeper is self._slots.of(Arm.CANDIDATE):
            self.ending, self.share_permille = keeper.ending, 0
            self.died.set()
            self._spawn(self._without(Arm.CANDIDATE))
        elif keeper is self._slots.of(Arm.BASELINE):
            self._spawn(self._without(Arm.BASELINE))

    async def _without(self, arm: Arm) -> None:
        """The kernel has chosen among the living already; now it chooses by shares again."""
        async with self.one:
            if not self._opened or self.runs(arm) is not None:
                return
            shares = self.sharing.shares
            left = (
                Shares(baseline=shares.baseline)
                if arm is Arm.CANDIDATE
                else Shares(candidate=shares.candidate)
            )
            try:
                await self.sharing.give(left, self.pids())
            except TROUBLE as error:
                self.sharing.not_exact(error)

    async def _stable_is_back(self, keeper: Keeper) -> None:
        """Its new sockets stand elsewhere in the groups."""
        async with self.one:
            while self._opened and keeper is self._slots.active and not keeper.running:
                await self._clock.sleep(_POLL_S)
            if not self._opened or keeper is not self._slots.active:
                return
            try:
                if await self.sharing.bound(keeper.pid, self.sharing.places):
                    await self.sharing.learn(self.pids())
            except TROUBLE as error:
                self.sharing.not_exact(error)
