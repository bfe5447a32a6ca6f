"""What answers mean, without any Envoy: what is listed, and what refuses a release."""

from dataclasses import replace

import pytest

from seawall import limits
from seawall.gate.ask import Answer, Failure
from seawall.gate.compare import Changed, Comparison, compare
from seawall.gate.probes import Probe, Source

PROBE = Probe(Source.MADE, https=False, host="shop.test", method="GET", path="/a")
GOLDEN = replace(PROBE, source=Source.GOLDEN, site="shop")
OK = Answer(status=200, route="shop/a", cluster="app", cpu_s=0.0002)
ERROR = replace(OK, status=503)
LOST = Answer(Failure.TIMED_OUT)
UNSERVED = Answer(Failure.NOT_SERVED)


def judged(
    new: Answer, old: Answer | None = OK, *, probe: Probe = PROBE, change: Changed | None = None
) -> Comparison:
    return compare([probe], [new], [old], change or Changed())


def codes(new: Answer, old: Answer | None = OK, **options: object) -> list[str]:
    return [f.code for f in judged(new, old, **options).refusals]  # type: ignore[arg-type]  # - passed on


def test_equal_answers_say_nothing() -> None:
    assert judged(OK) == Comparison((), ())


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (ERROR, OK, ["taster-new-error"]),
        (ERROR, ERROR, []),
        (ERROR, None, []),
        (ERROR, LOST, []),
        (ERROR, UNSERVED, []),
        (LOST, OK, ["taster-no-answer"]),
        (LOST, None, ["taster-no-answer"]),
        (LOST, LOST, []),
        (Answer(Failure.CLOSED), LOST, ["taster-no-answer"]),
        (UNSERVED, OK, []),
        (replace(OK, status=404), OK, []),
    ],
)
def test_only_what_is_worse_than_different_refuses(
    new: Answer, old: Answer | None, expected: list[str]
) -> None:
    assert codes(new, old) == expected


@pytest.mark.parametrize(
    "change",
    [Changed(frozenset({"shop/a"})), Changed(origins=frozenset({"app"}))],
)
def test_an_error_where_something_was_changed_is_listed(change: Changed) -> None:
    found = judged(ERROR, change=change)
    assert found.refusals == ()
    assert found.differences == ("GET http://shop.test/a: status 200 -> 503 (changed on purpose)",)


def test_a_route_that_took_over_is_a_change_of_the_route_before() -> None:
    new = replace(ERROR, route="shop/new")
    assert judged(new, change=Changed(frozenset({"shop/a"}))).refusals == ()


@pytest.mark.parametrize(
    ("probe", "new", "old", "expected"),
    [
        (GOLDEN, OK, OK, []),
        (GOLDEN, replace(OK, status=404), OK, ["golden-answered-otherwise"]),
        (GOLDEN, replace(OK, status=404), None, []),
        (GOLDEN, ERROR, None, ["golden-answered-otherwise"]),
        (GOLDEN, UNSERVED, OK, ["golden-answered-otherwise"]),
        (GOLDEN, LOST, OK, ["taster-no-answer"]),
        (replace(GOLDEN, status=(404, 410)), replace(OK, status=410), OK, []),
        (replace(GOLDEN, status=(404,)), OK, OK, ["golden-answered-otherwise"]),
        (replace(GOLDEN, status=(503,)), ERROR, ERROR, []),
        (GOLDEN, replace(OK, contains=False), OK, ["golden-answered-otherwise"]),
    ],
)
def test_a_golden_request_is_answered_as_written_or_as_before(
    probe: Probe, new: Answer, old: Answer | None, expected: list[str]
) -> None:
    assert codes(new, old, probe=probe, change=Changed(frozenset({"shop/a"}))) == expected


def test_processor_time_is_measured_against_the_current_release() -> None:
    most_s = OK.cpu_s + limits.TASTER_CPU_GROWTH_S
    assert codes(replace(OK, cpu_s=most_s)) == []
    assert codes(replace(OK, cpu_s=most_s * 1.01)) == ["taster-cpu"]
    costly = replace(OK, cpu_s=0.01)
    assert codes(replace(OK, cpu_s=0.039), costly) == []
    assert codes(replace(OK, cpu_s=0.041), costly) == ["taster-cpu"]
    assert codes(replace(OK, cpu_s=limits.TASTER_CPU_PER_REQUEST_S), None) == []
    (finding,) = judged(replace(OK, cpu_s=0.06), None).refusals
    assert "60 ms of CPU time, over 50 ms" in finding.text


def test_every_kind_of_difference_is_told() -> None:
    new = Answer(
        status=301,
        location="/b",
        headers=(("cache-control", "no-store"), ("x-b", "1")),
        route="shop/b",
        cluster="",
        arrived="",
    )
    old = Answer(
        status=200,
        headers=(("cache-control", "public"), ("x-a", "1")),
        route="shop/a",
        cluster="app",
        arrived="GET shop.test/a",
    )
    (text,) = judged(new, old).differences
    for part in (
        "status 200 -> 301",
        "route shop/a -> shop/b",
        "origin app -> nothing",
        "location nothing -> /b",
        "the origin sees GET shop.test/a -> nothing",
        "header cache-control public -> no-store",
        "header x-a 1 -> nothing",
        "header x-b nothing -> 1",
        "(unexpected: the route did not change)",
    ):
        assert part in text


def test_what_was_not_asked_says_nothing() -> None:
    assert compare([PROBE, PROBE], [OK], [OK, OK], Changed()) == Comparison((), ())
    assert compare([PROBE], [OK], [], Changed()) == Comparison((), ())


@pytest.mark.parametrize(
    ("new", "probe", "blames"),
    [
        (ERROR, PROBE, True),
        (ERROR, GOLDEN, True),
        (LOST, PROBE, False),
        (LOST, GOLDEN, False),
        (Answer(Failure.CLOSED), PROBE, False),
        (replace(OK, cpu_s=9.0), PROBE, False),
    ],
)
def test_what_a_busy_machine_shows_as_well_does_not_blame_the_content(
    new: Answer, probe: Probe, blames: bool
) -> None:
    assert [found.blames_content for found in judged(new, probe=probe).refusals] == [blames]
