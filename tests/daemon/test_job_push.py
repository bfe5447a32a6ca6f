"""A push that waits for the release of somebody else, and gives up in the end."""

from collections.abc import Iterator
from typing import Any

import pytest

from seawall.api.views import ApplyEvent, Progress
from seawall.daemon import job_push
from seawall.daemon.job_push import patient
from seawall.errors import ConflictError
from verify.hand_clock import HandClock

BUSY = ConflictError("release-in-progress", "Another release is on its way.")


def _pushed(*ends: ConflictError | None) -> Any:
    """A push that ends so, one try after another."""
    left = list(ends)

    def push() -> Iterator[ApplyEvent]:
        end = left.pop(0)
        if end is not None:
            raise end
        yield Progress("check", "started", "", 0.0)

    return push


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    found = HandClock()

    def passes(duration_s: float) -> None:
        found.at_s += duration_s

    monkeypatch.setattr(job_push.time, "sleep", passes)
    return found


def test_it_is_begun_anew_until_the_way_is_free(clock: HandClock) -> None:
    assert len(list(patient(_pushed(BUSY, BUSY, None), clock))) == 1


def test_it_gives_up_after_its_patience(clock: HandClock) -> None:
    with pytest.raises(ConflictError, match="on its way"):
        list(patient(_pushed(*[BUSY] * 99), clock, patience_s=20.0))


def test_another_conflict_is_not_waited_for(clock: HandClock) -> None:
    began_s = clock.at_s
    with pytest.raises(ConflictError, match="a file"):
        list(patient(_pushed(ConflictError("feed-is-a-file", "It is a file.")), clock))
    assert clock.at_s == began_s
