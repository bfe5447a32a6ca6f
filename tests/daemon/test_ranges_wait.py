"""Published ranges that were pushed and wait for their release: a run that is well."""

from typing import TYPE_CHECKING, cast

import pytest

from seawall.api.hand_views import WAITING
from seawall.api.range_feeds import RELEASED, WAITS, Feeds
from seawall.api.views import Refused
from seawall.daemon import job
from seawall.errors import RefusedError
from seawall.jobs.memory import Ending
from seawall.verify.renewing import Fetched

if TYPE_CHECKING:
    from seawall.api.client import Client


def _feeds(code: str) -> Feeds:
    end = Refused("check", code, "The push by ranges is waiting: ann is rolling out r7.", "", 1.0)
    return Feeds(cast("Client", None), lambda *_: iter(()), lambda _: end)


def test_a_push_that_is_kept_is_not_told_as_a_list_that_stays() -> None:
    feeds = _feeds(WAITING)
    feeds.take("gptbot", "20.15.240.64/28\n")
    assert feeds.taken == WAITS
    with pytest.raises(RefusedError, match="gptbot was not released"):
        _feeds("clients").take("gptbot", "20.15.240.64/28\n")


@pytest.mark.parametrize(
    ("states", "ending", "code", "words"),
    [
        (
            *((WAITS,), Ending.UNCHANGED, "bot-ranges-wait"),
            "1 list was fetched. Pushed, to be released as soon as possible: list0.",
        ),
        (
            *((RELEASED, WAITS), Ending.RELEASED, "bot-ranges-released"),
            "New releases: list0. Pushed, to be released as soon as possible: list1.",
        ),
        (
            *(("unchanged",), Ending.UNCHANGED, "bot-ranges-unchanged"),
            "1 list was fetched. Nothing is new.",
        ),
    ],
)
def test_the_outcome_says_what_waits(
    states: tuple[str, ...], ending: Ending, code: str, words: str
) -> None:
    lists = [Fetched(f"list{number}", state, 1) for number, state in enumerate(states)]
    outcome = job._told(lists)
    assert (outcome.ending, outcome.code, outcome.words) == (ending, code, outcome.words)
    assert outcome.words.endswith(words)
