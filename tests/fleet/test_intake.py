"""Numbers of a report that no program can count with, at every place where there is one."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fleet.town import report, window
from seawall.api.codec import from_json, to_json
from seawall.errors import UsageError
from seawall.fleet.intake import Cleaned, clean
from seawall.ids import NodeName, SiteName
from seawall.rollout.ports import NodeReport
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.origin_names import NamesReport, StaleName
from seawall.telemetry.window import SiteCounts

NODE = NodeName("edge-1")
SENT_S = 1e9
Place = tuple[str | int, ...]


def whole() -> dict[str, Any]:
    counts = SiteCounts(1, 1, 0, 0, 0, 0, 0.1, 0.2, (1, 2))
    busy = replace(
        window(NODE, SENT_S - 5),
        sites={SiteName("shop"): counts},
        edge={"cpu_s": 1.0},
        latency_buckets=(1,),
    )
    stale = StaleName("origin.test", "no answer", ("192.0.2.1",), 1, 2)
    names = NamesReport(1, 1, 1, 1, 1, 1, (stale,))
    said = replace(report(NODE, busy), names=names, bots=BotSample(1))
    return dict(to_json(said))


def taken(said: dict[str, Any]) -> Cleaned:
    read = from_json(NodeReport, said, strict=False)
    return clean(read, NODE, (), {}, sent_s=SENT_S)


def numbers(value: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in inner:
            yield from numbers(item, (*place, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place


def test_a_report_that_makes_sense_is_taken() -> None:
    found = taken(whole())
    assert found.words == ()
    assert len(found.report.windows) == 1


@pytest.mark.parametrize("place", [*numbers(whole())], ids=lambda place: ".".join(map(str, place)))
@pytest.mark.parametrize(
    "number",
    [10**400, -(10**400), math.nan, math.inf],
    ids=["huge", "hugely below 0", "nan", "inf"],
)
def test_no_number_is_more_than_words(place: Place, number: float) -> None:
    said = inner = whole()
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = number
    try:
        found = taken(said)
    except UsageError:
        return
    assert found.words, "it was left out"


def test_what_is_less_than_nothing_is_not_taken_from_what_others_measured() -> None:
    said = whole()
    said["windows"][0]["edge"] = {"responses_2xx": -1e12}
    found = taken(said)
    assert found.report.windows == ()
    assert "their counts are not valid" in found.words[0]
