"""Pushing a feed out of a job: it waits for the release of somebody else, for a while."""

import time
from collections.abc import Callable, Iterator

from seawall import limits
from seawall.api.views import ApplyEvent
from seawall.clock import Clock
from seawall.errors import ConflictError

_IN_THE_WAY = "release-in-progress"


def patient(
    push: Callable[[], Iterator[ApplyEvent]],
    clock: Clock,
    *,
    patience_s: float = limits.JOB_PUSH_PATIENCE_S,
) -> Iterator[ApplyEvent]:
    """The events of a push that is begun anew while another release is on its way.

    Raises:
        ConflictError: one was on its way all the time.
    """
    until_s = clock.monotonic_s() + patience_s
    while True:
        try:
            yield from push()
        except ConflictError as error:
            if error.code != _IN_THE_WAY or clock.monotonic_s() >= until_s:
                raise
            time.sleep(limits.JOB_PUSH_RETRY_S)
        else:
            return
