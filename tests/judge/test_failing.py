"""Sites that fail now: told when it is sure, with what is known of the release, and not longer."""

from dataclasses import replace

import pytest

from judge.windows import site, window
from seawall.ids import NodeName, ReleaseId, SiteName
from seawall.judge.failing import Failing, failing, turned_away
from seawall.telemetry.window import Window

R1, R2 = ReleaseId("r1"), ReleaseId("r2")
NOW_S = 10_000.0


def past(
    ago_s: range, requests: int, errors: int, *, release: str = R1, node: str = "n1"
) -> list[Window]:
    """Windows of 10 s of one site."""
    made = []
    for ago in ago_s:
        counts = {"shop": site(requests, errors)}
        one = window("stable", NOW_S - ago, requests, errors, node=node, sites=counts)
        made.append(replace(one, duration_s=10.0, release=ReleaseId(release)))
    return made


def only(windows: list[Window], release: str = R1) -> Failing:
    (found,) = failing(windows, ReleaseId(release), NOW_S)
    return found


def test_a_dead_origin_is_told_within_a_minute() -> None:
    found = only([*past(range(300, 60, -10), 40, 0), *past(range(60, 0, -10), 40, 30)])
    assert (found.site, found.bad, found.of, found.span_s) == ("shop", 180, 240, 60.0)
    assert (found.since_s, found.began) == (None, False), "no release began in this time"


@pytest.mark.parametrize(
    ("requests", "errors"),
    [
        pytest.param(40, 0, id="none fail"),
        pytest.param(1_000, 30, id="daily life"),
        pytest.param(0, 0, id="nobody asks"),
    ],
)
def test_what_is_usual_is_not_told(requests: int, errors: int) -> None:
    assert failing(past(range(600, 0, -10), requests, errors), R1, NOW_S) == ()


def test_one_failure_of_a_quiet_site_is_not_told() -> None:
    assert failing(past(range(10, 0, -10), 1, 1), R1, NOW_S) == ()


def test_a_site_with_a_request_a_minute_is_told_in_the_end() -> None:
    found = only(past(range(590, 0, -60), 1, 1))
    assert (found.bad, found.of, found.span_s) == (10, 10, 600.0)


def test_a_site_that_is_well_again_is_told_no_more() -> None:
    failed, well = past(range(500, 70, -10), 40, 30), past(range(60, 0, -10), 40, 0)
    assert failing([*failed, *well], R1, NOW_S) == ()
    assert failing(failed, R1, NOW_S), "that nobody asks is no proof of health"


def test_errors_that_began_with_a_release_make_it_suspected() -> None:
    before = past(range(300, 60, -10), 40, 0)
    after = past(range(60, 0, -10), 40, 12, release=R2)
    found = only([*before, *after], R2)
    assert (found.before, found.since_s, found.began) == ((0, 960), NOW_S - 60, True)
    assert only([*after, *before], R2) == found, "in whatever order windows come"
    trial = [replace(w, slot="candidate") for w in past(range(30, 0, -10), 4, 0, release="r3")]
    assert only([*before, *after, *trial], R2).since_s == found.since_s


def test_a_site_that_is_new_with_a_release_has_no_past_to_be_compared_with() -> None:
    before = [replace(w, sites={}) for w in past(range(300, 60, -10), 40, 0)]
    found = only([*before, *past(range(60, 0, -10), 40, 30, release=R2)], R2)
    assert (found.before, found.since_s, found.began) == ((0, 0), NOW_S - 60, False)


def test_errors_that_were_there_before_do_not() -> None:
    found = only(
        [*past(range(300, 60, -10), 40, 10), *past(range(60, 0, -10), 40, 12, release=R2)], R2
    )
    assert (found.before, found.began) == ((240, 960), False)


def test_a_release_that_serves_again_is_counted_from_its_last_beginning() -> None:
    windows = [
        *past(range(300, 200, -10), 40, 0),
        *past(range(200, 60, -10), 40, 30, release=R2),
        *past(range(60, 0, -10), 40, 30),
    ]
    found = only(windows)
    assert (found.since_s, found.began) == (NOW_S - 60, False)


def test_each_node_of_a_fleet_has_its_own_beginning() -> None:
    windows = [
        *past(range(300, 100, -10), 40, 0, node="n1"),
        *past(range(100, 0, -10), 40, 30, node="n1", release=R2),
        *past(range(300, 0, -10), 40, 0, node="n2"),
    ]
    found = only(windows, R2)
    assert (found.before, found.since_s, found.began) == ((0, 2_000), NOW_S - 100, True)


def test_a_release_that_serves_nowhere_is_not_suspected() -> None:
    found = only(past(range(60, 0, -10), 40, 30), R2)
    assert (found.since_s, found.began) == (None, False)


def test_the_worst_site_comes_first_and_windows_that_are_too_old_do_not_count() -> None:
    counts = {"a": site(50, 40), "b": site(50, 45)}
    one = replace(window("stable", NOW_S - 10, 100, 85, sites=counts), duration_s=10.0)
    assert [each.site for each in failing([one], R1, NOW_S)] == [SiteName("b"), SiteName("a")]
    assert failing([replace(one, start_s=NOW_S - 700)], R1, NOW_S) == ()
    assert one.node == NodeName("n1")


def looked_at(ago_s: range, requests: int, away: int, *, release: str = R1) -> list[Window]:
    """Windows of 10 s in which bot rules turned requests away."""
    return [
        replace(
            window("stable", NOW_S - ago, requests, bots_scored=requests, bots_unscored=0.0,
                   bots_blocked=away / 2, bots_challenged=away / 2),
            duration_s=10.0,
            release=ReleaseId(release),
        )
        for ago in ago_s
    ]  # fmt: skip


def test_a_rule_the_wrong_way_round_is_told_while_its_release_is_new() -> None:
    windows = [
        *looked_at(range(300, 60, -10), 10, 0),
        *looked_at(range(60, 0, -10), 10, 10, release=R2),
    ]
    found = turned_away(windows, R2, NOW_S)
    assert found is not None
    assert (found.bad, found.of, found.since_s, found.before) == (60, 60, NOW_S - 60, (0, 240))


@pytest.mark.parametrize(
    "windows",
    [
        pytest.param(looked_at(range(300, 0, -10), 10, 10), id="no new release"),
        pytest.param(looked_at(range(300, 0, -10), 10, 10, release=R2), id="no release before"),
        pytest.param(
            [
                *looked_at(range(1_200, 700, -10), 10, 0),
                *looked_at(range(600, 0, -10), 10, 10, release=R2),
            ],
            id="a release that is not new",
        ),
        pytest.param(
            [
                *looked_at(range(300, 60, -10), 10, 6),
                *looked_at(range(60, 0, -10), 10, 8, release=R2),
            ],
            id="a flood that began before",
        ),
        pytest.param(
            [
                *looked_at(range(300, 60, -10), 10, 0),
                *looked_at(range(60, 0, -10), 10, 2, release=R2),
            ],
            id="some, as a rule should",
        ),
        pytest.param(
            [
                *looked_at(range(300, 60, -10), 10, 0),
                *looked_at(range(20, 0, -10), 1, 1, release=R2),
            ],
            id="two requests",
        ),
        pytest.param([], id="nothing known"),
        pytest.param(
            [
                *past(range(300, 60, -10), 10, 0),
                *past(range(60, 0, -10), 10, 0, release=R2),
            ],
            id="nodes that do not count",
        ),
    ],
)
def test_what_is_no_fault_of_a_release_is_not_told(windows: list[Window]) -> None:
    assert turned_away(windows, R2, NOW_S) is None
