"""The node's own brake, and the anomaly of the whole fleet."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from judge.windows import STEP, site, window
from seawall.ids import NodeName
from seawall.judge.anomaly import Anomaly, Seen, look, seen_in
from seawall.judge.brake import during_bake, during_trial
from seawall.judge.evidence import Evidence, gather
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy
from seawall.limits import (
    ANOMALY_DOWN_COUNT,
    ANOMALY_OK_COUNT,
    ANOMALY_PAST_LOOKS_MIN,
    ANOMALY_UP_COUNT,
)
from seawall.telemetry.window import SiteCounts, Window

N1 = NodeName("n1")
FINE, BAD = {N1: (5.0, 1000.0)}, {N1: (200.0, 1000.0)}


def served(errors: int, *, start_s: int = 0, seconds: int = 30) -> list[Window]:
    return [window("stable", start_s + n, 100, errors) for n in range(seconds)]


def test_a_node_stops_a_candidate_that_fails_and_never_praises_one() -> None:
    def windows(errors: int) -> list[Window]:
        return [
            w
            for n in range(10)
            for w in (window("stable", n, 99), window("candidate", n, 1, errors))
        ]

    assert isinstance(during_trial(gather(windows(1), STEP)), Unhealthy)
    assert isinstance(during_trial(gather(windows(0), STEP)), NotEnough)


def test_a_node_leaves_doubtful_harm_to_the_judge() -> None:
    windows = [
        w
        for n in range(40)
        for w in (window("stable", n, 95, 1), window("candidate", n, 5, int(n % 4 == 0)))
    ]
    assert isinstance(during_trial(gather(windows, STEP)), NotEnough)


def test_a_node_stops_a_candidate_that_fails_one_site_and_names_it() -> None:
    def windows(small: SiteCounts) -> Evidence:
        beside = {"large": site(980, 50), "small": site(20)}
        tried = {"large": site(95, 5), "small": small}
        return gather(
            [
                w
                for n in range(30)
                for w in (
                    window("stable", n, 1000, 50, sites=beside),
                    window("candidate", n, 100, 5 + small.status_5xx, sites=tried),
                )
            ],
            STEP,
        )

    found = during_trial(windows(site(5, 1)))
    assert isinstance(found, Unhealthy)
    assert (found.gate, found.site) == ("errors", "small")
    # What a release may mean to do is for the judge to weigh.
    assert isinstance(during_trial(windows(site(5, client_errors=5))), NotEnough)


def test_a_commit_after_which_requests_fail_is_unhealthy() -> None:
    found = during_bake(served(1), served(60, start_s=30))
    assert isinstance(found, Unhealthy)
    assert "since the commit" in found.text
    silent = window("stable", 60, 100, without=("responses_5xx",))
    assert during_bake([*served(1), silent], [*served(60, start_s=30), silent]) == found


def test_a_commit_after_which_little_changed_is_left_alone() -> None:
    assert isinstance(during_bake(served(1), served(3, start_s=30)), Healthy)
    assert isinstance(during_bake(served(30), served(40, start_s=30)), Healthy)
    assert isinstance(during_bake(served(20), served(45, start_s=30)), Healthy)


def test_a_short_burst_after_a_commit_is_left_alone() -> None:
    burst = [*served(100, start_s=30, seconds=4), *served(0, start_s=34, seconds=8)]
    assert isinstance(during_bake(served(0), burst), Healthy)


def test_one_site_that_fails_after_a_commit_is_named() -> None:
    def both(errors: int, start_s: int) -> list[Window]:
        return [
            window("stable", start_s + n, 1000, errors,
                   sites={"large": site(990), "small": site(10, errors)})
            for n in range(30)
        ] + [window("stable", start_s + 30, 990, sites={"large": site(990)})]  # fmt: skip

    found = during_bake(both(0, 0), both(10, 31))
    assert isinstance(found, Unhealthy)
    assert found.site == "small"


def test_without_a_past_or_a_present_there_is_no_verdict_on_a_bake() -> None:
    nothing_before, nothing_after = during_bake([], served(60)), during_bake(served(0), [])
    assert isinstance(nothing_before, NotEnough)
    assert nothing_before.reason is Reason.MISSING
    assert isinstance(nothing_after, NotEnough)
    assert nothing_after.reason is Reason.NO_EVIDENCE


def looks(state: Anomaly, *seen: Seen) -> Anomaly:
    for counts in seen:
        state = look(state, counts)
    return state


def usual() -> Anomaly:
    return looks(Anomaly(), *[FINE] * ANOMALY_PAST_LOOKS_MIN)


def test_an_anomaly_begins_after_several_bad_looks_and_says_why() -> None:
    almost = looks(usual(), *[BAD] * (ANOMALY_DOWN_COUNT - 1))
    assert not almost.active
    begun = look(almost, BAD)
    assert begun.active
    assert "200 of 1,000" in begun.text
    assert look(begun, {N1: (900.0, 1000.0)}).text == begun.text


def test_calm_in_between_forgets_and_a_short_one_does_not() -> None:
    bad = [BAD] * (ANOMALY_DOWN_COUNT - 1)
    assert looks(usual(), *bad, *[FINE] * (ANOMALY_OK_COUNT - 1), BAD).active
    assert not looks(usual(), *bad, *[FINE] * ANOMALY_OK_COUNT, BAD).active


def test_a_look_between_bad_ones_is_no_past_to_compare_with() -> None:
    state = usual()
    for bad in (1, ANOMALY_DOWN_COUNT):
        assert looks(state, *[BAD] * bad, FINE).past == state.past
    assert looks(state, BAD, *[FINE] * ANOMALY_OK_COUNT).past == (*state.past, FINE)


def test_where_errors_are_usual_it_takes_several_times_as_many() -> None:
    state = looks(Anomaly(), *[{N1: (100.0, 1000.0)}] * ANOMALY_PAST_LOOKS_MIN)
    assert not looks(state, *[{N1: (200.0, 1000.0)}] * ANOMALY_DOWN_COUNT).active
    assert looks(state, *[{N1: (500.0, 1000.0)}] * ANOMALY_DOWN_COUNT).active


def test_an_anomaly_ends_only_after_a_longer_calm() -> None:
    begun = looks(usual(), *[BAD] * ANOMALY_DOWN_COUNT)
    assert looks(begun, *[FINE] * (ANOMALY_UP_COUNT - 1)).active
    ended = looks(begun, *[FINE] * ANOMALY_UP_COUNT)
    assert (ended.active, ended.text) == (False, "")


def test_an_anomaly_never_becomes_the_past_it_is_compared_with() -> None:
    begun = looks(usual(), *[BAD] * 200)
    assert begun.active
    assert BAD not in begun.past


def test_without_a_past_or_requests_nothing_is_unusual() -> None:
    assert not looks(Anomaly(), *[BAD] * (ANOMALY_PAST_LOOKS_MIN - 1)).active
    short = looks(Anomaly(), *[FINE] * (ANOMALY_PAST_LOOKS_MIN - ANOMALY_DOWN_COUNT))
    assert not looks(short, *[BAD] * ANOMALY_DOWN_COUNT).active
    state = usual()
    assert look(state, {}) == state


def test_windows_that_do_not_say_are_left_out_of_the_fleets_errors() -> None:
    windows = [window("stable", 0, 10, 1), window("stable", 0, 10, 1, without=("responses_5xx",))]
    assert seen_in(windows) == {N1: (1.0, 10.0)}


@given(st.lists(st.sampled_from([FINE, BAD, {}]), max_size=80))
def test_an_anomaly_always_has_a_reason_and_bounded_memory(seen: list[Seen]) -> None:
    state = looks(usual(), *seen)
    assert bool(state.text) == state.active
    assert len(state.past) <= 60
    assert replace(state, active=state.active) == state


LIAR = NodeName("liar")


def fleet(nodes: int, bad: float, of: float = 1000.0, **one: tuple[float, float]) -> Seen:
    """So many nodes alike, and others by their name."""
    alike = {NodeName(f"n{number}"): (bad, of) for number in range(nodes)}
    return {**alike, **{NodeName(name): count for name, count in one.items()}}


def after(usual: Seen, *seen: Seen) -> Anomaly:
    return looks(Anomaly(), *[usual] * (ANOMALY_PAST_LOOKS_MIN + 4), *seen)


def test_a_fleet_of_which_every_node_fails_is_unwell_and_one_node_of_it_is_not_the_fleet() -> None:
    for nodes in (2, 3, 40):
        usual = fleet(nodes, 5)
        assert after(usual, *[fleet(nodes, 200)] * ANOMALY_DOWN_COUNT).active
        broken = {**usual, NodeName("n0"): (1000.0, 1000.0)}
        assert not after(usual, *[broken] * 50).active


def test_a_node_that_lies_about_its_errors_freezes_nothing() -> None:
    usual = fleet(4, 100, liar=(0.0, 1e12))
    assert not after(usual, *[fleet(4, 100, liar=(1e12, 1e12))] * 50).active
    assert not after(usual, *[fleet(4, 100, liar=(0.0, 1.0))] * 50).active, "its past is its own"
    assert not after(usual, *[{LIAR: (1e12, 1e12)}] * 50).active, "while all others are silent"
    new = fleet(4, 100, liar=(1e12, 1e12))
    assert not after(fleet(4, 100), *[new] * 50).active


def test_a_node_that_lies_about_its_health_hides_no_other() -> None:
    for told in ((0.0, 1e12), (0.0, 1.0)):
        usual, unwell = fleet(4, 5, liar=told), fleet(4, 300, liar=told)
        assert after(usual, *[unwell] * ANOMALY_DOWN_COUNT).active
    failing = fleet(4, 5, liar=(1e12, 1e12))
    assert after(failing, *[fleet(4, 300, liar=(0.0, 1e12))] * ANOMALY_DOWN_COUNT).active


def test_one_node_keeps_no_fleet_unwell() -> None:
    usual, unwell = fleet(4, 5), fleet(4, 300)
    begun = after(usual, *[unwell] * ANOMALY_DOWN_COUNT)
    broken = {**usual, NodeName("n0"): (1000.0, 1000.0)}
    assert not looks(begun, *[broken] * ANOMALY_UP_COUNT).active


def test_the_node_that_answers_all_requests_decides_beside_an_idle_one() -> None:
    windows = [window("stable", 0, 1000, 300), window("stable", 0, 0, node="idle")]
    assert seen_in(windows) == {N1: (300.0, 1000.0)}


def test_harm_too_thin_for_each_node_shows_over_the_fleet() -> None:
    usual, unwell = fleet(100, 0, 10), fleet(100, 1, 10)
    begun = after(usual, *[unwell] * ANOMALY_DOWN_COUNT)
    assert begun.active
    assert "not counting its 10 worst and 10 best nodes" in begun.text


def test_nodes_that_took_the_place_of_all_others_end_an_anomaly() -> None:
    begun = after(fleet(3, 5), *[fleet(3, 300)] * ANOMALY_DOWN_COUNT)
    others: Seen = {NodeName(f"m{number}"): (5.0, 1000.0) for number in range(3)}
    assert not looks(begun, *[others] * ANOMALY_UP_COUNT).active
