"""Score drift: what two models say of the same vectors, and what that refuses."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_models import random_model, random_vector
from compiler import build
from seawall import limits
from seawall.bots import artifact
from seawall.bots.drift import of_pairs
from seawall.bots.features import to_text
from seawall.bots.model import Model
from seawall.compiler.compile import compile_edge
from seawall.compiler.snapshot import Snapshot
from seawall.gate.report import StageFinding
from seawall.gate.scores import judge_scores, read_vectors
from seawall.model import BotMode, BotModel, BotPolicy
from seawall.release.release import Kind
from step_models import step_model, step_vector

NOW_S = 1_800_000_000.0
STRANGER = [random_vector(Random(seed)) for seed in range(200)]


TRAFFIC = [step_vector(code % 90) for code in range(400)]


def snapshot(model: Model | None, *, mode: BotMode = BotMode.OBSERVE) -> Snapshot:
    site = replace(build.site("shop"), bots=BotPolicy(mode=mode))
    edge = build.edge(site)
    if model is None:
        return compile_edge(edge)
    content = artifact.write(model)
    return compile_edge(replace(edge, bot_model=BotModel(artifact.digest(content), content)))


def judged(
    old: Model | None,
    new: Model | None,
    vectors: Sequence[tuple[int, ...]] = TRAFFIC,
    kind: Kind = Kind.FEED,
) -> StageFinding:
    return judge_scores(snapshot(old), snapshot(new), kind, lambda: vectors)


def test_a_model_that_scores_nearly_alike_passes_with_its_arithmetic() -> None:
    report = judged(step_model(), step_model(1.0, name="next"))
    assert report.refusal is None
    assert report.summary == "0 of 400 recent vectors moved far"
    assert not report.notes
    assert any("mean difference" in line for line in report.lines)
    assert any("Golden vectors" in line for line in report.lines)


def test_a_model_that_scores_otherwise_is_refused_with_its_arithmetic() -> None:
    report = judged(step_model(), step_model(25.0, name="next"))
    assert report.refusal is not None
    assert report.refusal.code == "score-drift"
    assert "of 400" in report.refusal.message
    assert "bound 10%" in report.refusal.message
    assert "--force score-drift" in report.refusal.remedy
    assert report.forcible


def test_a_small_shift_of_everybody_is_seen_too() -> None:
    report = judged(step_model(), step_model(10.0, name="next"))
    assert report.refusal is not None
    assert "moved by more than" not in report.refusal.message
    assert "mean difference" in report.refusal.message


def test_a_model_that_gives_all_of_the_traffic_one_score_is_refused() -> None:
    vectors = [step_vector(0)] * 99 + [step_vector(1)]
    model = step_model(name="next")
    leaf = (model.trees[0].leaf[1], *model.trees[0].leaf[1:])
    lumped = replace(model, trees=(replace(model.trees[0], leaf=leaf),))
    first = replace(model.golden[0], score=model.golden[1].score)
    report = judged(step_model(), replace(lumped, golden=(first, *model.golden[1:])), vectors)
    assert report.refusal is not None
    assert "gives all 100 the score" in report.refusal.message


def test_traffic_that_looks_all_alike_is_no_drift() -> None:
    """As where health checks alone came so far: both models give them one score."""
    report = judged(step_model(), step_model(0.5, name="next"), [step_vector(0)] * 100)
    assert report.refusal is None
    assert report.summary == "0 of 100 recent vectors moved far"


@pytest.mark.parametrize(
    ("vectors", "words"),
    [([], "No recent vectors: drift not measured"), (TRAFFIC[:20], "Only 20 recent vectors")],
)
def test_missing_samples_are_told_and_no_pass_in_silence(
    vectors: Sequence[tuple[int, ...]], words: str
) -> None:
    report = judged(step_model(), step_model(1.0, name="next"), vectors)
    assert report.refusal is None
    assert report.summary == "drift not measured on traffic"
    assert any(words in note for note in report.notes)
    worse = judged(random_model(1), random_model(2), vectors)
    assert worse.refusal is not None, "golden vectors are always there"


def test_the_first_model_has_nothing_to_drift_from() -> None:
    report = judged(None, step_model())
    assert report.refusal is None
    assert "drift not measured" in report.summary
    assert report.notes


def test_the_same_model_is_not_measured() -> None:
    assert judged(step_model(), step_model()).summary == "the bot model did not change"
    assert judged(None, None).summary == "no bot model: scores are absent"


def test_scores_that_become_absent_are_refused_unless_a_switch_does_it() -> None:
    report = judged(step_model(), None)
    assert report.refusal is not None
    assert "no request would get a score" in report.refusal.message
    assert judged(step_model(), None, kind=Kind.SWITCH).refusal is None
    nobody = snapshot(step_model(), mode=BotMode.OFF)
    assert judge_scores(snapshot(step_model()), nobody, Kind.SITE, list).refusal is None


def test_a_compiled_model_that_breaks_its_promise_cannot_be_forced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = step_model()
    wrong = replace(model, golden=tuple(replace(g, score=g.score % 99 + 1) for g in model.golden))
    monkeypatch.setattr("seawall.bots.artifact.remembered", lambda _content: wrong)
    bad = snapshot(step_model(0.25, name="broken-in-the-compiler"))
    monkeypatch.undo()
    report = judge_scores(snapshot(model), bad, Kind.FEED, lambda: TRAFFIC)
    assert report.refusal is not None
    assert report.refusal.code == "bot-model-not-proven"
    assert not report.forcible


SCORES = st.integers(1, 99)


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=200))
def test_drift_of_any_scores_is_finite_and_counts_no_more_than_there_are(
    pairs: list[tuple[int, int]],
) -> None:
    drift = of_pairs(pairs)
    assert drift is not None
    assert math.isfinite(drift.psi)
    assert drift.psi >= 0
    assert 0 <= drift.moved <= drift.count == len(pairs)
    assert 0 <= drift.mean_points <= 98
    assert all(0 <= crossed <= drift.count for crossed in drift.crossed.values())
    still = of_pairs([(was, was) for was, _ in pairs])
    assert still is not None
    assert (still.psi, still.moved, still.mean_points) == (0, 0, 0)


def record(bots: str, age_s: float = 10.0) -> bytes:
    time = datetime.fromtimestamp(NOW_S - age_s, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": time.replace("+00:00", "Z"), "bots": bots}).encode() + b"\n"


def bots(number: int, client: str = "") -> str:
    client = client or f"{number:016x}"
    return f"50 observe - - - 0123abcd {to_text(STRANGER[number % 200])} {client}.7"


def test_vectors_come_from_records_bounded_by_age_and_client(tmp_path: Path) -> None:
    file = tmp_path / "access.ndjson"
    lines = [record(bots(n)) for n in range(30)]
    lines += [record(bots(n, "00000000000000aa")) for n in range(100)]
    lines += [record(bots(n), age_s=limits.BOT_DRIFT_AGE_S + 5) for n in range(30)]
    lines += [record(bots(n), age_s=-60) for n in range(30)]
    golden = bots(7).replace(" observe - ", " allow exempt:private ")
    lines += [record(golden) for _ in range(9)]
    lines += [b"garbage\n", record("nonsense"), record(""), b'{"time": 7, "bots": []}\n']
    file.write_bytes(b"".join(lines))
    found = read_vectors(file, NOW_S)
    assert len(found) == 30 + limits.BOT_DRIFT_CLIENT_VECTORS_MAX
    assert set(found) <= set(STRANGER)


def test_vectors_are_bounded_in_number_and_absent_without_records(tmp_path: Path) -> None:
    file = tmp_path / "access.ndjson"
    file.write_bytes(b"".join(record(bots(n)) for n in range(limits.BOT_DRIFT_VECTORS_MAX + 50)))
    assert len(read_vectors(file, NOW_S)) == limits.BOT_DRIFT_VECTORS_MAX
    assert read_vectors(tmp_path / "missing", NOW_S) == []
