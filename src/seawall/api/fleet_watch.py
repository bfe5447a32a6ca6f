"""The whole fleet's error rate, watched: when it is anomalous, releases freeze by themselves.

It looks at what every node measured, whatever released it: when most of the fleet is unwell, no
release can be judged and no further change helps; one node of several is not the fleet. A freeze of
its own is lifted when the fleet is well again; one that a person made, or lifted, is left as it is.
What the recent past was like is forgotten when control ends: a freeze from before then waits for a
person.
"""

from collections.abc import Callable, Iterable

from seawall import limits
from seawall.api.rollouts import Rollouts
from seawall.clock import Clock
from seawall.errors import SeawallError
from seawall.judge.anomaly import Anomaly, Seen, added, look, seen_in
from seawall.rollout.behind import BRAKE
from seawall.telemetry.window import Window


class FleetWatch:
    """Collects what nodes report; `run` as a task looks at it again and again.

    Args:
        rollouts: frozen and unfrozen.
        log: told of both.
    """

    def __init__(
        self, rollouts: Rollouts, clock: Clock, *, log: Callable[[str, str], None]
    ) -> None:
        self._rollouts = rollouts
        self._clock = clock
        self._log = log
        self._state = Anomaly()
        self._seen: Seen = {}
        self._acted = False

    def heard(self, windows: Iterable[Window]) -> None:
        """Take windows of a report; each exactly once."""
        self._seen = added(self._seen, seen_in(windows))

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._clock.sleep(limits.ANOMALY_LOOK_S)
            try:
                await self.look()
            except SeawallError as error:
                self._log("fleet-watch-failed", error.message)

    async def look(self) -> Anomaly:
        """Look once, and freeze or unfreeze when that changes something."""
        seen, self._seen = self._seen, {}
        self._state = look(self._state, seen)
        if self._state.active and not self._acted:
            if (await self._rollouts.status()).frozen is None:
                await self._rollouts.freeze(BRAKE, self._state.text)
            self._acted = True
            self._log("fleet-anomaly", self._state.text)
        elif self._acted and not self._state.active:
            frozen = (await self._rollouts.status()).frozen
            if frozen is not None and frozen.actor == BRAKE:
                await self._rollouts.unfreeze(BRAKE)
            self._acted = False
            self._log("fleet-well-again", "The fleet's error rate is back to normal.")
        return self._state
