"""Watches one trial from its start to its withdrawal, and tells the machine what it sees.

Golden requests are asked of candidate and stable again and again; the candidate's life and memory
are looked at; its windows are judged by the node's own brake. What follows from it, the machine of
`course` says. A look that takes long delays no other look and no report.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from seawall.clock import Clock
from seawall.ids import Generation  # noqa: TC001 - a type of values made at run time
from seawall.judge.brake import during_trial
from seawall.judge.evidence import gather
from seawall.limits import (
    GOLDEN_ROUND_INTERVAL_S,
    GOLDEN_ROUND_MAX,
    GOLDEN_ROUNDS_QUICK,
    TRIAL_WATCH_INTERVAL_S,
)
from seawall.node import moves
from seawall.node.golden import Prober
from seawall.node.instruments import Instruments
from seawall.node.steering import Arm
from seawall.node.trials import Trials
from seawall.tasks import set_within
from seawall.telemetry.window import Window


class Watcher:
    """Looks at a candidate that has started.

    Args:
        tell: takes what is seen.
    """

    def __init__(
        self,
        trials: Trials,
        instruments: Instruments,
        prober: Prober,
        clock: Clock,
        tell: Callable[[moves.Event], None],
    ) -> None:
        self._trials, self._instruments, self._prober = trials, instruments, prober
        self._clock, self._tell = clock, tell
        self._steps: list[Generation] = []
        self._rounds = 0
        self._stepped = asyncio.Event()
        self._baseline = trials.baseline
        self._candidate = trials.keeper(Arm.CANDIDATE)
        self._committing = asyncio.Event()

    def step(self, watch: moves.Watch) -> None:
        """Count for another step from now on."""
        self._steps.append(watch.generation)
        self._rounds = 0
        self._prober.step()
        if watch.share_permille:
            self._prober.opened()
        self._instruments.step(watch.served, watch.generation)
        self._stepped.set()

    def saw(self, window: Window) -> None:
        """A window was closed: judge with what is known now."""
        if not self._stands or window.slot != Arm.CANDIDATE or not self._steps:
            return
        windows = self._instruments.of_trial()
        evidence = gather(windows, self._steps[-1], earlier=self._steps[:-1])
        self._tell(moves.Judged("candidate", during_trial(evidence)))

    def commits(self) -> None:
        """Stable is being given the release: the private sockets go, and so do the questions."""
        self._committing.set()

    @property
    def _stands(self) -> bool:
        """Whether the candidate is still that: a commit by a swap makes it stable."""
        return self._trials.keeper(Arm.CANDIDATE) is self._candidate

    async def run(self) -> None:
        """Watch until cancelled."""
        arms = (Arm.CANDIDATE, Arm.BASELINE)
        keepers = {arm: self._trials.keeper(arm) for arm in arms}
        places = {arm: keeper.slot.directory for arm, keeper in keepers.items() if keeper}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._instruments.measure(places))
            tasks.create_task(self._await_death())
            tasks.create_task(self._look())
            tasks.create_task(self._ask(tuple(places.values())))

    async def _await_death(self) -> None:
        await self._trials.died.wait()
        self._tell(moves.Died("candidate", self._trials.ending))

    async def _look(self) -> None:
        unanswered = 0
        while self._stands:
            answered, stable_answered = await asyncio.gather(
                *(self._trials.answers(arm) for arm in (Arm.CANDIDATE, Arm.STABLE))
            )
            if answered:
                unanswered = 0
            elif stable_answered and not self._trials.loads(Arm.CANDIDATE) and self._stands:
                # Where stable is late too, the machine is, or we are: it proves nothing. Nor does a
                # candidate that loads what it was told, which nobody has seen yet.
                unanswered += 1
                self._tell(moves.Unanswered(unanswered))
            ours, theirs = (self._trials.usage(arm) for arm in (Arm.CANDIDATE, Arm.STABLE))
            if ours is not None and theirs is not None:
                self._tell(moves.Weighed(ours.resident_bytes, theirs.resident_bytes))
            if self._baseline and not self._trials.baseline:
                self._baseline = False
                self._tell(moves.Died("baseline"))
            await self._clock.sleep(TRIAL_WATCH_INTERVAL_S)

    async def _ask(self, slots: tuple[Path, ...]) -> None:
        if self._baseline:  # whoever is compared begins alike; else the first questions warm it
            await self._prober.warm(*slots)
        while not self._committing.is_set():
            self._stepped.clear()
            step = self._steps[-1]
            probes = await self._prober.round(GOLDEN_ROUND_MAX)
            if self._committing.is_set() or (probes.differed and await self._died()):
                return
            if step != self._steps[-1]:
                self._prober.step()  # begun in one step and ended in another: it proves neither
                continue
            self._rounds += 1
            self._tell(moves.Probed(step, probes, self._prober.complete))
            if self._prober.complete:
                quick = self._rounds < GOLDEN_ROUNDS_QUICK
                pause_s = TRIAL_WATCH_INTERVAL_S if quick else GOLDEN_ROUND_INTERVAL_S
                await set_within(self._stepped, pause_s)  # a step that begins is asked at once

    async def _died(self) -> bool:
        """Whether the candidate's answers are missing because it is no more: its death says more.

        The kernel closes the sockets of a process a moment before it says that the process ended.
        """
        if await self._trials.answers(Arm.CANDIDATE):
            return False
        return await set_within(self._trials.died, TRIAL_WATCH_INTERVAL_S)
