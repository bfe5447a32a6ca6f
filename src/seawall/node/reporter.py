"""Delivers the agent's reports: at once when something changed, and every few seconds anyway.

Before each it looks whether Envoy's own log has grown too large: nothing else bounds it.
"""

import asyncio
import os
from typing import TYPE_CHECKING

from seawall.errors import SeawallError
from seawall.limits import REPORT_INTERVAL_S, REPORT_STARTING_INTERVAL_S
from seawall.node.report import Collector, envoy_state, listeners
from seawall.rollout.ports import ControlPort, NodeReport

if TYPE_CHECKING:
    from seawall.node.agent import Agent


def _patience_s(report: NodeReport) -> float:
    """An Envoy that is starting is looked at again soon."""
    starting = report.envoy is not None and not report.envoy.live
    return REPORT_STARTING_INTERVAL_S if starting else REPORT_INTERVAL_S


class Reporter:
    """Reports of one agent; never raises, never holds more than the newest state."""

    def __init__(self, agent: "Agent", control: ControlPort, collector: Collector) -> None:
        self._agent = agent
        self._control = control
        self._collector = collector
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something changed."""
        self._wake.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            self._wake.clear()
            await self._agent.keeper.slot.bound_log()
            report = await self.report()
            try:
                await self._control.report(report)
                self._collector.accepted(report.windows)
            except SeawallError:
                pass  # control is away: the next report says it all anew
            try:
                async with asyncio.timeout(_patience_s(report)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def report(self) -> NodeReport:
        """The newest state."""
        agent = self._agent
        progress, state, serving = agent.progress, agent.state, agent.serving
        return NodeReport(
            node=agent.node,
            generation=progress.served.generation if progress.served else state.generation,
            release=serving.release if serving else None,
            digest=serving.digest if serving else None,
            phase=progress.phase,
            message=progress.message,
            nacks=progress.nacks,
            envoy=await envoy_state(agent.keeper),
            last_known_good=tuple(good.release for good in state.good),
            windows=self._collector.windows(),
            notices=agent.notices(),
            agent_pid=os.getpid(),
            listeners=await listeners(agent.keeper),
        )
