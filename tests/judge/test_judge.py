"""Verdicts on evidence as nodes send it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge.windows import STEP, site, window
from seawall.ids import Generation, NodeName
from seawall.judge.evidence import Evidence, Facts, gather
from seawall.judge.gates import GATES, GATES_BY_NAME, slow_from
from seawall.judge.judge import Demands, can_decide, describe, judge, requests_needed
from seawall.judge.verdict import (
    Healthy,
    NotEnough,
    Reason,
    Unhealthy,
    Verdict,
    combine,
    severity,
)
from seawall.judge.weigh import odds_against, worst_site
from seawall.limits import JUDGE_SITES_WEIGHED_MAX
from seawall.telemetry.window import Window

SECONDS = 60


def trial(
    *,
    candidate: int = 0,
    baseline: int | None = 0,
    stable: int = 0,
    seconds: int = SECONDS,
    **other: float,
) -> list[Window]:
    """A step of 10 % at 100 requests/s: so many errors a second in each slot."""
    windows = []
    for at_s in range(seconds):
        windows += [
            window("stable", at_s, 80, stable),
            window("candidate", at_s, 10, candidate, **other),
        ]
        if baseline is not None:
            windows.append(window("baseline", at_s, 10, baseline))
    return windows


def demands(**changes: float) -> Demands:
    return replace(Demands(0.1, SECONDS, 5, 120, 100.0), **changes)


def verdict(windows: list[Window], **changes: float) -> Verdict:
    return judge(gather(windows, STEP), demands(**changes))


def gate_of(found: Verdict) -> str:
    return found.gate if isinstance(found, Unhealthy | NotEnough) else ""


def test_a_release_that_does_no_harm_is_healthy() -> None:
    found = verdict(trial())
    assert isinstance(found, Healthy)
    assert "0 of 600 requests" in describe(found)


def test_a_release_that_fails_every_request_is_unhealthy_within_ten_at_one_per_cent() -> None:
    windows: list[Window] = []
    for at_s in range(10):
        windows += [window("stable", at_s, 99), window("candidate", at_s, 1, 1)]
    found = verdict(windows, share=0.01, elapsed_s=10)
    assert isinstance(found, Unhealthy)
    assert gate_of(found) == "errors"
    assert "10 of 10 requests" in found.text


def test_the_same_errors_in_every_slot_are_no_fault_of_the_release() -> None:
    assert isinstance(verdict(trial(candidate=3, baseline=3, stable=24)), Healthy)


def test_one_burst_does_not_decide_and_a_lasting_one_does() -> None:
    calm = trial()
    burst = [window("candidate", 20.1, 500, 500), window("stable", 20.1, 4500)]
    assert not isinstance(verdict([*calm, *burst]), Unhealthy)
    lasting = [
        w
        for n in range(4)
        for w in (window("candidate", 20.1 + 2 * n, 50, 50), window("stable", 20.1 + 2 * n, 450))
    ]
    assert isinstance(verdict([*calm, *lasting]), Unhealthy)


def test_nothing_measured_is_a_reason_and_never_health() -> None:
    nothing = judge(Evidence(), demands())
    assert isinstance(nothing, NotEnough)
    assert "The candidate got no requests" in nothing.text
    nobody_knows = judge(Evidence(), replace(demands(), rate_per_s=None))
    assert isinstance(nobody_knows, NotEnough)
    assert nobody_knows.reason is Reason.NO_EVIDENCE


def test_what_is_no_proof_of_harm_may_still_be_too_much_to_go_on() -> None:
    def with_errors(*at: int) -> Verdict:
        return verdict(
            [
                replace(w, edge=window("candidate", 0, 10, int(w.start_s in at)).edge)
                if w.slot == "candidate"
                else w
                for w in trial()
            ]
        )

    assert isinstance(with_errors(10, 20), Healthy)
    found = with_errors(10, 20, 30)
    assert isinstance(found, NotEnough)
    assert (found.reason, found.gate) == (Reason.GATHERING, "errors")
    assert "odds of 8 to 1" in found.text


def test_too_little_traffic_is_said_at_once() -> None:
    found = judge(gather([], STEP), demands(elapsed_s=0, rate_per_s=0.5))
    assert isinstance(found, NotEnough)
    assert found.reason is Reason.NO_TRAFFIC


def test_enough_traffic_to_come_is_waited_for() -> None:
    found = verdict(trial(seconds=3), elapsed_s=3)
    assert isinstance(found, NotEnough)
    assert found.reason is Reason.GATHERING


def test_a_step_lasts_its_soak_however_good_the_evidence() -> None:
    found = verdict(trial(), soak_s=SECONDS + 1)
    assert isinstance(found, NotEnough)
    assert (found.reason, found.gate) == (Reason.GATHERING, "soak")


@pytest.mark.parametrize("name", ["responses_5xx", "cpu_s", "client_resets", "responses_1xx"])
def test_a_count_that_cannot_be_read_is_missing_and_never_zero(name: str) -> None:
    windows = [replace(w, edge={k: v for k, v in w.edge.items() if k != name}) for w in trial()]
    found = verdict(windows)
    assert isinstance(found, NotEnough)
    assert found.reason is Reason.MISSING


def test_memory_that_nobody_could_read_is_missing() -> None:
    windows = [
        replace(w, edge={k: v for k, v in w.edge.items() if not k.startswith("memory")})
        for w in trial()
    ]
    found = verdict(windows)
    assert isinstance(found, NotEnough)
    assert (found.reason, found.gate) == (Reason.MISSING, "memory")


def test_one_unreadable_window_of_many_holds_nothing_up() -> None:
    windows = trial()
    windows[1] = window("candidate", 0, 10, without=("responses_5xx",))
    assert isinstance(verdict(windows), Healthy)


@pytest.mark.parametrize(
    ("gate", "other"),
    [
        ("resets", {"client_resets": 4.0}),
        ("refused", {"responses_4xx": 5.0}),
        ("cpu", {"cpu_s": 0.3}),
        ("slow", {}),
        ("unanswered", {"responses_2xx": 1.0}),
    ],
)
def test_each_gate_sees_its_own_harm(gate: str, other: dict[str, float]) -> None:
    windows = trial(**other)
    if gate == "slow":
        windows = [
            replace(w, latency_buckets=(0, 0, 2, 8)) if w.slot == "candidate" else w
            for w in windows
        ]
    found = verdict(windows)
    assert isinstance(found, Unhealthy), describe(found)
    assert gate_of(found) in {gate, "client-errors" if gate == "refused" else gate}


def test_a_node_too_old_to_count_faults_of_the_bot_filter_holds_nothing_up() -> None:
    old = trial()
    assert not any("bots_errors" in w.edge for w in old)
    assert isinstance(verdict(old), Healthy)


def test_faults_that_cannot_be_read_are_missing_and_never_zero() -> None:
    windows = trial(bots_scored=10.0)
    found = verdict(windows)
    assert isinstance(found, NotEnough)
    assert (found.reason, found.gate) == (Reason.MISSING, "bot-faults")


def test_faults_of_the_bot_filter_that_only_the_candidate_has_are_its_harm() -> None:
    windows = [
        replace(w, edge={**w.edge, "bots_scored": 1.0, "bots_errors": float(w.slot == "candidate")})
        for w in trial()
    ]
    found = verdict(windows)
    assert isinstance(found, Unhealthy)
    assert found.gate == "bot-faults"
    assert "hit a fault of the bot filter" in found.text


def test_faults_of_the_bot_filter_in_every_slot_are_no_fault_of_the_release() -> None:
    windows = [replace(w, edge={**w.edge, "bots_scored": 1.0}) for w in trial()]
    same = [replace(w, edge={**w.edge, "bots_errors": w.edge["requests"] / 5}) for w in windows]
    assert isinstance(verdict(same), Healthy)


def test_a_leak_is_seen_against_its_control() -> None:
    windows = trial()
    grown = [
        replace(w, edge={**w.edge, "memory_allocated_bytes": 50e6 + 4e6 * w.start_s})
        if w.slot == "candidate"
        else w
        for w in windows
    ]
    found = verdict(grown)
    assert isinstance(found, Unhealthy)
    assert found.gate == "memory"


@pytest.mark.parametrize(
    ("gate", "facts"),
    [
        ("probes", Facts(probes_asked=9, probes_differed=1, first="shop / answered 404.")),
        ("nack", Facts(nacks=1, first="route: bad regex")),
        ("restarts", Facts(restarts=1)),
        ("warming", Facts(warming_s=600.0)),
    ],
)
def test_facts_decide_without_counting(gate: str, facts: Facts) -> None:
    found = judge(gather(trial(), STEP, facts=facts), demands())
    assert isinstance(found, Unhealthy)
    assert found.gate == gate
    assert facts.first in found.text


def test_a_candidate_that_warms_up_is_waited_for() -> None:
    found = judge(gather(trial(), STEP, facts=Facts(warming_s=3.0)), demands())
    assert isinstance(found, NotEnough)
    assert found.reason is Reason.WARMING


def test_the_site_that_suffers_is_named_though_the_total_looks_well() -> None:
    windows = []
    for at_s in range(SECONDS):
        for slot, requests in (("stable", 8000), ("candidate", 1000), ("baseline", 1000)):
            broken = slot == "candidate"
            sites = {
                "large": site(requests - 1, 4 * requests // 1000),
                "small": site(1, int(broken)),
            }
            errors = sum(counts.status_5xx for counts in sites.values())
            windows.append(window(slot, at_s, requests, errors, sites=sites))
    found = verdict(windows, sites=1000)
    assert isinstance(found, Unhealthy)
    assert found.site == "small"
    assert "site small" in describe(found)


def quiet_site(failed: int, *, beside: int = 0, seconds: int = 3) -> list[Window]:
    """A large site that is well, and a small one with a request a second on each side."""
    windows = []
    for at_s in range(SECONDS):
        for slot, requests in (("stable", 400), ("candidate", 400), ("baseline", 400)):
            bad = (failed if slot == "candidate" else beside) if at_s < seconds else 0
            sites = {"large": site(requests - 1), "small": site(1, bad)}
            windows.append(window(slot, at_s, requests, bad, sites=sites))
    return windows


def test_a_quiet_site_that_fails_holds_a_step_up_though_it_is_far_from_proof() -> None:
    found = verdict(quiet_site(1, seconds=6), share=0.5, sites=2)
    assert isinstance(found, NotEnough)
    assert found.reason is Reason.GATHERING
    assert "On site small, 6 of 60 requests" in found.text
    assert isinstance(verdict(quiet_site(0), share=0.5, sites=2), Healthy)


def test_a_quiet_site_that_fails_beside_the_candidate_too_holds_nothing_up() -> None:
    found = verdict(quiet_site(1, beside=1, seconds=6), share=0.5, sites=2)
    assert isinstance(found, Healthy), found


def test_among_many_sites_it_takes_more_to_doubt_one() -> None:
    windows = quiet_site(1, seconds=6)
    few, _ = worst_site(gather(windows, STEP), 2)
    many, series = worst_site(gather(windows, STEP), 1_000)
    assert few == pytest.approx(500 * many)
    assert series is not None
    assert series.site == "small"
    assert worst_site(gather(windows, STEP), 0)[0] == few, "as many as were seen"
    assert worst_site(gather(trial(), STEP), 1) == (0.0, None)


def test_only_the_sites_with_the_most_errors_are_weighed() -> None:
    names = [f"s{number}" for number in range(JUDGE_SITES_WEIGHED_MAX + 10)]
    windows = []
    for at_s in range(SECONDS):
        for slot in ("stable", "candidate"):
            bad = int(slot == "candidate")
            sites = {name: site(10, bad * (1 + (name == "s70"))) for name in names}
            errors = sum(counts.status_5xx for counts in sites.values())
            windows.append(window(slot, at_s, 10 * len(names), errors, sites=sites))
    evidence = gather(windows, STEP)
    odds, series = worst_site(evidence, 0)
    assert series is not None
    assert series.site == "s70"
    one = odds_against(next(s for s in evidence.suspects if s.site == "s0"), evidence)
    worst = odds_against(series, evidence)
    weighed = (JUDGE_SITES_WEIGHED_MAX - 1) * one + worst
    assert odds == pytest.approx(weighed / len(names))


def test_harm_of_an_earlier_step_still_counts_and_its_health_does_not() -> None:
    first = [replace(w, generation=Generation(1)) for w in trial(candidate=1, stable=0)]
    second = [replace(w, start_s=w.start_s + SECONDS) for w in trial()]
    alone = judge(gather(second, STEP), demands())
    both = judge(gather([*first, *second], STEP, earlier=[Generation(1)]), demands())
    assert isinstance(alone, Healthy)
    assert isinstance(both, Unhealthy)
    healthy_before = [replace(w, generation=Generation(1)) for w in trial()]
    begun = [replace(w, start_s=w.start_s + SECONDS) for w in trial(seconds=6)]
    found = judge(gather([*healthy_before, *begun], STEP, earlier=[Generation(1)]), demands())
    assert isinstance(found, NotEnough)


def test_without_a_baseline_the_fine_gates_allow_more_and_say_so() -> None:
    found = verdict(trial(baseline=None))
    assert isinstance(found, Healthy)
    assert "Without a baseline" in found.text
    with_one = verdict(trial(client_resets=0.6))
    without = verdict(trial(baseline=None, client_resets=0.6))
    assert isinstance(with_one, Unhealthy)
    assert not isinstance(without, Unhealthy)


def test_errors_on_few_connections_weigh_less() -> None:
    def few(connections: int) -> list[Window]:
        return [
            w
            for at_s in range(4)
            for w in (
                window("stable", at_s, 90),
                window("candidate", at_s, 10, 2, connections=connections),
            )
        ]

    assert gather(few(10), STEP).clump == 1
    assert gather(few(1), STEP).clump == 3


def test_whether_a_step_can_decide_is_known_before_it_begins() -> None:
    errors = GATES_BY_NAME["errors"]
    needed = requests_needed(errors, 0.01)
    assert needed is not None
    assert 40 <= needed <= 60
    assert can_decide(100, 0.01, 60, errors)
    assert not can_decide(1, 0.01, 60, errors)
    assert can_decide(1, 0.01, 60, GATES_BY_NAME["cpu"])


def test_budgets_of_false_alarms_add_up_to_at_most_one() -> None:
    assert sum(gate.budget + gate.budget_sites for gate in GATES) <= 1


VERDICTS = st.one_of(
    st.builds(Healthy, st.text(max_size=2)),
    st.builds(NotEnough, st.sampled_from(Reason), st.text(max_size=2)),
    st.builds(Unhealthy, st.text(max_size=2)),
)


@given(st.lists(VERDICTS, max_size=5), st.lists(VERDICTS, max_size=5))
def test_combining_commutes_and_more_evidence_never_improves(
    some: list[Verdict], more: list[Verdict]
) -> None:
    worst = combine([*some, *more])
    assert severity(worst) == severity(combine([*more, *some]))
    assert not some or severity(worst) >= severity(combine(some))
    assert severity(combine([worst])) == severity(worst)
    assert worst in [*some, *more, combine([])]


def test_nothing_combined_is_not_health() -> None:
    assert isinstance(combine([]), NotEnough)


@given(st.integers(0, 5), st.integers(1, 5), st.integers(0, 40))
def test_a_further_error_of_the_candidate_never_improves_the_verdict(
    errors: int, more: int, stable: int
) -> None:
    before = verdict(trial(candidate=errors, stable=stable, baseline=None, seconds=20))
    after = verdict(trial(candidate=errors + more, stable=stable, baseline=None, seconds=20))
    assert severity(after) >= severity(before)


def test_many_nodes_are_judged_as_one_and_a_node_without_a_candidate_is_no_control() -> None:
    def node(name: str, errors: int) -> list[Window]:
        return [replace(w, node=NodeName(name)) for w in trial(candidate=errors, seconds=20)]

    some = [w for n in range(30) for w in node(f"n{n}", 0)]
    idle = [window("stable", at_s, 5000, 4000, node="idle") for at_s in range(20)]
    evidence = gather([*some, *idle], STEP)
    candidate, stable, _ = evidence.totals["errors"].sums()
    assert candidate == (0, 30 * 20 * 10)
    assert stable == (0, 30 * 20 * 80)
    assert len(evidence.totals["errors"].moments) <= 11
    assert isinstance(judge(evidence, demands(elapsed_s=20)), Healthy)
    bad = [w for n in range(30) for w in node(f"n{n}", 1)]
    assert isinstance(judge(gather([*bad, *idle], STEP), demands(elapsed_s=20)), Unhealthy)


def test_what_new_connections_suffer_on_the_current_release_too_is_not_the_candidates() -> None:
    bots = {"candidate": 3, "stable": 1}
    assert isinstance(verdict(trial(**bots, baseline=0)), Unhealthy)
    assert not isinstance(verdict(trial(**bots, baseline=3)), Unhealthy)


@pytest.mark.parametrize(
    ("buckets", "first_slow"),
    [
        ((0, 0, 0, 0, 950, 40, 10), 5),
        ((0, 0, 0, 0, 800, 200), 6),
        ((990, 10), 3),
        ((0, 0, 0, 50, 50), 5),
    ],
)
def test_slow_begins_where_a_twentieth_lies_above_and_never_below_five_milliseconds(
    buckets: tuple[int, ...], first_slow: int
) -> None:
    assert slow_from([window("stable", 0, 1000, buckets=buckets)]) == {None: first_slow}
