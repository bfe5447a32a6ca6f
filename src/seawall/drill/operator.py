"""The person behind the naive fleet: sees the alarm, understands, and takes the change back.

He is quick and never wrong: the alarm comes with the first second in which many requests fail, and
the undo a fixed time later.
"""

from collections.abc import Awaitable, Callable, Sequence

from seawall.clock import Clock
from seawall.drill.account import Sample
from seawall.limits import DRILL_ALARM_FAILED_MIN, DRILL_HUMAN_REACTION_S

_LOOK_S = 0.1
_SPAN_S = 1.0
_SETTLE_S = 5.0
"""What he gives the undo to take effect before he looks again."""


class Operator:
    """Watches `samples`; `run` until cancelled.

    Attributes:
        alarmed_s: when the alarm came, monotonic seconds; None when it never did.
        actions: how often he had to act.
        busy: an alarm is on.
    """

    def __init__(
        self, samples: Sequence[Sample], undo: Callable[[], Awaitable[None]], clock: Clock
    ) -> None:
        self._samples = samples
        self._undo = undo
        self._clock = clock
        self._from = 0
        self.alarmed_s: float | None = None
        self.actions = 0
        self.busy = False

    async def run(self) -> None:
        """Look, and act when it has to be."""
        while True:
            await self._clock.sleep(_LOOK_S)
            self.busy = self._alarm()
            if not self.busy:
                continue
            if self.alarmed_s is None:
                self.alarmed_s = self._clock.monotonic_s()
            await self._clock.sleep(DRILL_HUMAN_REACTION_S)
            if not self._alarm():  # it passed by itself
                continue
            self.actions += 1
            await self._undo()
            await self._clock.sleep(_SETTLE_S)
            self._from = len(self._samples)

    def _alarm(self) -> bool:
        oldest_s = self._clock.monotonic_s() - _SPAN_S
        recent = self._samples[self._from :]
        failed = sum(sample.failed and sample.at_s >= oldest_s for sample in recent)
        return failed >= DRILL_ALARM_FAILED_MIN
