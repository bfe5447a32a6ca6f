"""Delivers the agent's reports: at once when something changed, and every few seconds anyway.

Two loops that do not wait for each other: one looks at Envoy (whose admin interface may be slow, or
silent), the other tells what is known. A report that cannot be delivered is made anew later: only
the newest state matters, and windows stay with the collectors until control has accepted them.

While it looks, it also sees to it that the own logs of all Envoys do not grow too large: nothing
else bounds them, and a trial may last for days.
"""

import asyncio
import os
from typing import TYPE_CHECKING

from seawall.errors import SeawallError
from seawall.limits import (
    CONTROL_BACKOFF_S_MAX,
    CONTROL_BACKOFF_S_MIN,
    REPORT_INTERVAL_S,
    REPORT_STARTING_INTERVAL_S,
    TRIAL_STATS_INTERVAL_S,
)
from seawall.node.candidacy import report as trial_report
from seawall.node.report import envoy_state, listeners, starting_state
from seawall.release.bundle import FORMAT
from seawall.rollout.ports import LEVEL_TRIALS, ControlPort, EnvoyState, NodeReport
from seawall.tasks import set_within

if TYPE_CHECKING:
    from seawall.node.agent import Agent


class Reporter:
    """Reports of one agent; never raises, never holds more than the newest state."""

    def __init__(self, agent: "Agent", control: ControlPort) -> None:
        self._agent = agent
        self._control = control
        self._due = asyncio.Event()
        self._look_due = asyncio.Event()
        self._looked = asyncio.Event()
        self._envoy: EnvoyState | None = None
        self._listeners: tuple[str, ...] = ()

    def wake(self) -> None:
        """Something changed."""
        self._due.set()
        self._look_due.set()

    async def run(self) -> None:
        """Report until cancelled."""
        backoff_s = CONTROL_BACKOFF_S_MIN
        while True:
            self._due.clear()
            await self._first_look()
            report = self.report()
            try:
                await self._control.report(report)
            except SeawallError:  # control is away: the next report says it all anew, and soon
                await set_within(self._due, backoff_s)
                backoff_s = min(CONTROL_BACKOFF_S_MAX, backoff_s * 2)
                continue
            backoff_s = CONTROL_BACKOFF_S_MIN
            self._agent.instruments.accepted(report.windows)
            in_trial = self._agent.course.trial is not None
            if not in_trial:  # only a poll is answered by somebody who could end it
                self._agent.heard()
            await set_within(self._due, TRIAL_STATS_INTERVAL_S if in_trial else REPORT_INTERVAL_S)

    async def look(self) -> None:
        """Look at the Envoy that serves until cancelled; an Envoy that starts is looked at soon."""
        while True:
            self._look_due.clear()
            keeper = self._agent.keeper
            await asyncio.gather(*(each.slot.bound_log() for each in self._agent.keepers))
            envoy, found = await envoy_state(keeper), await listeners(keeper)
            if _identity(envoy) != _identity(self._envoy) or found != self._listeners:
                self._due.set()
            self._envoy, self._listeners = envoy, found
            self._looked.set()
            starting = envoy is not None and not envoy.live
            await set_within(
                self._look_due, REPORT_STARTING_INTERVAL_S if starting else REPORT_INTERVAL_S
            )

    async def _first_look(self) -> None:
        """An Envoy that was not looked at yet is not told of as one that does not serve."""
        try:
            async with asyncio.timeout(REPORT_INTERVAL_S):
                while (pid := self._agent.keeper.pid) and not self._knows(pid):
                    self._looked.clear()
                    self._look_due.set()
                    await self._looked.wait()
        except TimeoutError:
            return

    def _knows(self, pid: int) -> bool:
        return self._envoy is not None and self._envoy.pid == pid

    def report(self) -> NodeReport:
        """What is known now."""
        agent = self._agent
        # The memory, not the machine's copy: it is read before the machine knows of the boot.
        course, memory = agent.course, agent.state
        serving, keeper = agent.serving, agent.keeper
        envoy = starting_state(keeper)
        if envoy is not None and self._knows(envoy.pid):
            envoy = self._envoy
        return NodeReport(
            node=agent.node,
            generation=memory.generation,
            release=serving.release if serving else None,
            digest=serving.digest if serving else None,
            phase=course.phase,
            message=memory.message,
            nacks=course.nacks,
            envoy=envoy,
            last_known_good=tuple(good.release for good in memory.good),
            windows=agent.instruments.windows(),
            notices=agent.notices(),
            agent_pid=os.getpid(),
            listeners=self._listeners,
            trial=trial_report(course.trial),
            steering=agent.trials.steering,
            groups=agent.groups,
            level=LEVEL_TRIALS,
            bundle_format=FORMAT,
            good_digests=tuple(good.digest for good in memory.good),
            bots=agent.instruments.bots(),
            life=agent.life,
            names=agent.names.report(),
        )


def _identity(envoy: EnvoyState | None) -> tuple[object, ...]:
    """What of an Envoy is worth a report of its own."""
    return () if envoy is None else (envoy.pid, envoy.live, envoy.restarts)
