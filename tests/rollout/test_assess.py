"""Which windows are evidence, and what is worth waiting for."""

from dataclasses import replace

import pytest

from judge.windows import site, window
from rollout.scenario import Scenario
from rollout.test_lint import in_step
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.judge.verdict import Healthy, NotEnough, Reason, Unhealthy
from seawall.rollout.assess import assess
from seawall.rollout.ports import Probes, TrialPhase
from seawall.rollout.state import Findings, Fleet
from seawall.telemetry.window import Window

A = NodeName("a")


def windows(
    generation: int, *, rate: int, share: float, start_s: float, bad: float = 0.0, seconds: int = 8
) -> list[Window]:
    """Of candidate and stable, one a second."""
    made = []
    for second in range(seconds):
        for slot, part, failed in (("candidate", share, bad), ("stable", 1 - share, 0.0)):
            requests = round(rate * part)
            made.append(
                window(
                    slot,
                    start_s + second,
                    requests,
                    round(requests * failed),
                    node=A,
                    generation=generation,
                )
            )
    return made


def look(fleet: Fleet, inventory: object, found: list[Window], now_s: float) -> Findings:
    return assess(fleet, inventory, found, now_s)  # type: ignore[arg-type]  # - of the model


def stepping() -> tuple[Fleet, object, float, int]:
    model = in_step(3)
    running = model.fleet.running
    assert running is not None
    assert running.step == 3
    return model.fleet, model.inventory(), running.step_started_s, running.step_generation


def test_a_candidate_that_fails_is_unhealthy_on_the_windows_of_this_step() -> None:
    fleet, inventory, began_s, generation = stepping()
    found = windows(generation, rate=200, share=0.5, start_s=began_s, bad=0.5)
    findings = look(fleet, inventory, found, began_s + 8)
    assert isinstance(findings.verdict, Unhealthy), findings
    assert findings.step_generation == generation
    assert findings.requests == 800


def test_windows_of_another_generation_are_no_evidence_of_this_step() -> None:
    fleet, inventory, began_s, generation = stepping()
    found = windows(generation + 7, rate=200, share=0.5, start_s=began_s, bad=0.5)
    findings = look(fleet, inventory, found, began_s + 8)
    assert findings.requests == 0
    assert not isinstance(findings.verdict, Unhealthy | Healthy)


def test_a_node_that_was_told_again_since_still_testifies_in_the_step() -> None:
    fleet, inventory, began_s, generation = stepping()
    later = replace(fleet.assigned[A], generation=Generation(generation + 7))
    told = replace(fleet, assigned={**fleet.assigned, A: later})
    found = windows(generation + 7, rate=200, share=0.5, start_s=began_s, bad=0.5)
    assert isinstance(look(told, inventory, found, began_s + 8).verdict, Unhealthy)


def test_a_difference_in_golden_requests_is_enough() -> None:
    model = in_step(2)
    for node in model.nodes.values():
        if node.trial is not None and node.trial.phase is TrialPhase.STEERED:
            node.trial = replace(node.trial, probes=Probes(5, 1, "GET / was 500"))
    findings = assess(model.fleet, model.inventory(), [], model.now_s)
    assert isinstance(findings.verdict, Unhealthy), findings


@pytest.mark.parametrize(
    ("rate", "shows_harm", "reason"),
    [
        (0, False, Reason.NO_TRAFFIC),
        (4, True, Reason.NO_TRAFFIC),
        (1, False, Reason.NO_TRAFFIC),
    ],
)
def test_a_trickle_is_waited_for_only_where_harm_would_show(
    rate: int, shows_harm: bool, reason: Reason
) -> None:
    fleet, inventory, began_s, generation = stepping()
    running = fleet.running
    assert running is not None
    short = tuple(replace(step, deadline_s=20.0) for step in running.policy.steps)
    policy = replace(running.policy, steps=short)
    quick = replace(fleet, rollouts=(replace(running, policy=policy),))
    found = windows(generation, rate=rate, share=0.5, start_s=began_s, seconds=2)
    findings = look(quick, inventory, found, began_s + 2)
    assert isinstance(findings.verdict, NotEnough), findings
    assert (findings.verdict.reason, findings.shows_harm) == (reason, shows_harm)


def test_traffic_that_ended_before_the_step_is_not_waited_for() -> None:
    fleet, inventory, began_s, _ = stepping()
    busy = window("stable", began_s - 120, 10_000, node=A, generation=1)
    idle = [window("stable", began_s - 30 + s, 0, node=A, generation=1) for s in range(31)]
    found = look(fleet, inventory, [busy, *idle], began_s + 1)
    assert isinstance(found.verdict, NotEnough), found
    assert found.verdict.reason is Reason.NO_TRAFFIC
    still = look(fleet, inventory, [busy], began_s + 1)
    assert isinstance(still.verdict, NotEnough), still
    assert still.verdict.reason is Reason.GATHERING


def test_nothing_is_judged_where_no_step_runs() -> None:
    fleet, inventory, began_s, _ = stepping()
    idle = replace(fleet, rollouts=())
    assert look(idle, inventory, [], began_s) == Findings()


def test_a_few_failed_requests_are_a_suspicion_though_no_proof() -> None:
    fleet, inventory, began_s, generation = stepping()
    found = windows(generation, rate=4, share=0.5, start_s=began_s, bad=1.0, seconds=3)
    findings = look(fleet, inventory, found, began_s + 3)
    assert isinstance(findings.verdict, NotEnough), findings
    assert "6 of 6 requests on the candidate" in findings.suspicion
    fine = windows(generation, rate=4, share=0.5, start_s=began_s, seconds=3)
    assert look(fleet, inventory, fine, began_s + 3).suspicion == ""


@pytest.mark.parametrize(
    ("bad", "seconds", "hesitates"),
    [
        pytest.param(0.0, 5, False, id="none failed"),
        pytest.param(0.5, 1, False, id="one failed"),
        pytest.param(0.5, 2, True, id="two failed"),
        pytest.param(0.5, 5, True, id="so many that they are suspicious"),
    ],
)
def test_golden_requests_do_not_decide_while_some_more_requests_could(
    bad: float, seconds: int, *, hesitates: bool
) -> None:
    fleet, inventory, began_s, generation = stepping()
    found = windows(generation, rate=4, share=0.5, start_s=began_s, bad=bad, seconds=seconds)
    assert look(fleet, inventory, found, began_s + 5).hesitates is hesitates


def test_what_fails_beside_the_candidate_too_is_no_reason_to_hesitate() -> None:
    fleet, inventory, began_s, generation = stepping()
    found = windows(generation, rate=4, share=0.5, start_s=began_s, bad=0.5, seconds=5)
    as_bad = [
        window("stable", one.start_s, 2, 1, node=A, generation=generation)
        for one in found
        if one.slot == "stable"
    ]
    both = [one for one in found if one.slot == "candidate"] + as_bad
    assert not look(fleet, inventory, both, began_s + 5).hesitates


@pytest.mark.parametrize(("bad", "hesitates"), [(0, False), (1, True)])
def test_a_quiet_site_of_a_busy_edge_is_waited_for_too(bad: int, *, hesitates: bool) -> None:
    fleet, inventory, began_s, generation = stepping()
    found = [
        window(
            slot,
            began_s + second,
            200,
            failed,
            node=A,
            generation=generation,
            sites={"large": site(199), "small": site(1, failed)},
        )
        for second in range(5)
        for slot, failed in (("candidate", bad), ("stable", 0))
    ]
    assert look(fleet, inventory, found, began_s + 5).hesitates is hesitates


def baking() -> tuple[Fleet, object, float]:
    scenario = Scenario()
    for line in scenario.run("nodes a\nserving r1\ntraffic 0\napply r2\nuntil baking"):
        assert "refused" not in line, line
    return scenario.model.fleet, scenario.model.inventory(), scenario.model.now_s


def served(release: str, errors: int, *, start_s: float, node: str = "a") -> list[Window]:
    return [
        replace(window("stable", start_s + s, 100, errors, node=node), release=ReleaseId(release))
        for s in range(12)
    ]


def test_what_fails_since_the_commit_and_not_before_is_unhealthy_in_the_bake() -> None:
    fleet, inventory, now_s = baking()
    before = served("r1", 1, start_s=-20)
    bad = [*before, *served("r2", 60, start_s=now_s)]
    assert isinstance(look(fleet, inventory, bad, now_s + 12).bake, Unhealthy)
    good = [*before, *served("r2", 1, start_s=now_s)]
    assert isinstance(look(fleet, inventory, good, now_s + 12).bake, Healthy)


def test_what_failed_before_the_commit_as_well_is_not_held_against_a_release_that_bakes() -> None:
    fleet, inventory, now_s = baking()
    found = [*served("r1", 60, start_s=-20), *served("r2", 60, start_s=now_s)]
    assert isinstance(look(fleet, inventory, found, now_s + 12).bake, Healthy)


def test_harm_too_small_for_one_node_shows_over_all_nodes_in_the_bake() -> None:
    fleet, inventory, now_s = baking()
    nodes = [f"n{number}" for number in range(40)]
    one = [
        replace(
            w, edge={**w.edge, "requests": 1.0, "responses_2xx": 1.0 - bad, "responses_5xx": bad}
        )
        for start_s, release, bad in ((-20.0, "r1", 0.0), (now_s, "r2", 1.0))
        for w in served(release, 0, start_s=start_s)[:6]
    ]
    assert isinstance(look(fleet, inventory, one, now_s + 6).bake, Healthy)
    found = [replace(w, node=NodeName(node)) for node in nodes for w in one]
    assert isinstance(look(told(fleet, *nodes), inventory, found, now_s + 6).bake, Unhealthy)


def told(fleet: Fleet, *names: str) -> Fleet:
    """These nodes were told what `a` was."""
    alike = {NodeName(name): replace(fleet.assigned[A], node=NodeName(name)) for name in names}
    return replace(fleet, assigned={**fleet.assigned, **alike})


def test_one_of_three_nodes_that_bake_takes_a_release_back() -> None:
    fleet, inventory, now_s = baking()
    found = [*served("r1", 1, start_s=-20), *served("r2", 60, start_s=now_s)]
    for name in "bc":
        found += served("r1", 1, start_s=-20, node=name) + served("r2", 1, start_s=now_s, node=name)
    bake = look(told(fleet, *"abc"), inventory, found, now_s + 12).bake
    assert isinstance(bake, Unhealthy)


def test_a_node_that_was_not_given_a_release_says_nothing_of_its_bake() -> None:
    fleet, inventory, now_s = baking()
    found = [*served("r1", 1, start_s=-20), *served("r2", 1, start_s=now_s)]
    lies = served("r1", 0, start_s=-20, node="z") + served("r2", 100, start_s=now_s, node="z")
    assert isinstance(look(fleet, inventory, [*found, *lies], now_s + 12).bake, Healthy)


def test_a_node_that_was_not_given_a_release_says_nothing_of_its_trial() -> None:
    fleet, inventory, began_s, generation = stepping()
    lies = windows(generation, rate=200, share=0.5, start_s=began_s, bad=0.5)
    fine = windows(generation, rate=200, share=0.5, start_s=began_s)
    found = [*fine, *(replace(one, node=NodeName("z")) for one in lies)]
    findings = look(fleet, inventory, found, began_s + 8)
    assert not isinstance(findings.verdict, Unhealthy)
    assert findings.requests == 800


@pytest.mark.parametrize(
    ("bad", "alone"),
    [
        pytest.param((0.5, 0.0), "a", id="one"),
        pytest.param((0.5, 0.5), None, id="both"),
        pytest.param((0.02, 0.02), None, id="both, and neither proves it"),
    ],
)
def test_one_node_of_several_is_named_where_only_its_numbers_speak_against_a_candidate(
    bad: tuple[float, float], alone: str | None
) -> None:
    fleet, inventory, began_s, generation = stepping()
    running = fleet.running
    assert running is not None
    two = replace(fleet, rollouts=(replace(running, members=(A, NodeName("b"))),))
    found = [
        replace(one, node=NodeName(name))
        for name, share in zip("ab", bad, strict=True)
        for one in windows(generation, rate=200, share=0.5, start_s=began_s, bad=share)
    ]
    findings = look(told(two, "b"), inventory, found, began_s + 8)
    assert isinstance(findings.verdict, Unhealthy)
    assert findings.alone == alone


@pytest.mark.parametrize(("usual", "ours", "left"), [(0.2, 0.2, True), (0.0, 0.2, False)])
def test_usual_errors_that_hide_too_much_are_not_waited_for_but_those_of_the_candidate_are(
    usual: float, ours: float, left: bool
) -> None:
    model = in_step(2)
    running = model.fleet.running
    assert running is not None
    found = [
        window(
            slot,
            running.step_started_s + s,
            of,
            round(of * bad),
            node=A,
            generation=running.step_generation,
        )
        for s in range(6)
        for slot, of, bad in (("candidate", 5, ours), ("stable", 45, usual))
    ]
    verdict = look(model.fleet, model.inventory(), found, running.step_started_s + 6).verdict
    assert (isinstance(verdict, NotEnough) and verdict.reason is Reason.NO_TRAFFIC) is left
