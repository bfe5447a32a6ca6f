import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from zoo.intervals import Share, at_most
from zoo.kinds import Class, Kind, Session
from zoo.report import Report, highest, report, scorer_of, seen
from zoo.split import split, stem

from bot_models import random_model
from seawall.bots.features import from_text
from seawall.bots.model import Model
from zoo import dataset, folds, show
from zoo_sets import VECTOR, records, session


def _people(count: int, score: int = 90) -> tuple[list[Session], list[dict[str, object]]]:
    made = [session(n, "person", Kind.HUMAN, start_s=n) for n in range(count)]
    return made, [line for one in made for line in records(one, score, score)]


def _with_bots(scores: dict[str, tuple[int | None, ...]]) -> Report:
    sessions, lines = _people(10)
    for place, (family, its) in enumerate(scores.items()):
        one = session(100 + place, family)
        sessions.append(one)
        lines += records(one, *its)
    return report(sessions, lines)


def test_the_threshold_spares_the_people_it_was_made_on() -> None:
    sessions, lines = _people(10, score=40)
    made = report(sessions, lines)
    assert (made.thresholds, made.calibrated_on) == ([39], 6)
    assert (made.people.count, made.people.total) == (0, 4)
    assert made.people_bound == pytest.approx(1 - 0.05 ** (1 / 4))


def test_a_budget_lets_as_many_people_be_detected_as_it_says() -> None:
    found, _ = seen(*_people(100))
    assert highest(found, 0.0) == 89
    uneven, _ = seen(
        [session(n, "person", Kind.HUMAN) for n in range(100)],
        [
            r
            for n in range(100)
            for r in records(session(n, "person", Kind.HUMAN), n + 1 if n < 9 else 80)
        ],
    )
    assert highest(uneven, 0.05) == 5
    assert highest([], 0.001) == 0


def test_a_session_is_detected_from_its_first_low_score_on() -> None:
    made = _with_bots({"a": (95, 95, 10, 95), "b": (10,), "c": (95,) * 12})
    at = {row.name: {k: share.count for k, share in row.at.items()} for row in made.families}
    assert at["a"] == {1: 0, 3: 1, 5: 1, 10: 1}
    assert at["b"] == {1: 1, 3: 1, 5: 1, 10: 1}
    assert at["c"] == {1: 0, 3: 0, 5: 0, 10: 0}


def test_one_page_ends_before_the_second_page() -> None:
    made = _with_bots({"a": (95,) * 5 + (9,), "b": (95,) * 6 + (9,)})
    page = {row.name: row.page.count for row in made.families}
    assert (page["a"], page["b"]) == (1, 0)


def test_absent_scores_detect_nothing_and_are_counted() -> None:
    made = _with_bots({"a": (None, None), "b": (None, 5)})
    rows = {row.name: row for row in made.families}
    assert (rows["a"].at[10].count, rows["a"].unscored) == (0, 2)
    assert (rows["b"].at[1].count, rows["b"].at[3].count) == (0, 1)
    assert made.unscored == 3


def test_without_any_score_there_is_no_detection_to_report() -> None:
    one = session(1)
    made = report([one], [{"client": one.address, "path": "/"}])
    text = show.as_markdown(made)
    assert "no detection" in text
    assert "Goals" not in text


def test_an_empty_data_set_is_reported_as_one() -> None:
    made = report([], [])
    assert (made.thresholds, made.requests, made.people_bound) == ([], 0, None)
    assert all(goal.reached is None for goal in made.goals)
    assert "not measured" in show.as_markdown(made)


def test_sessions_without_records_and_records_without_sessions_are_not_mixed_up() -> None:
    one, silent = session(1), session(2)
    stray = {**records(session(3), 1)[0]}
    made = report([one, silent], [*records(one, 50), stray])
    assert (made.sessions, made.without_records, made.requests) == (2, 1, 1)


def test_a_scorer_replaces_the_scores_of_the_records() -> None:
    sessions, lines = _people(10)
    bot = session(50)
    made = report(
        [*sessions, bot],
        [*lines, *records(bot, 90)],
        scorer=lambda record: 2 if record["client"] == bot.address else 90,
    )
    assert next(row for row in made.families if row.label == Class.BOT).at[1].count == 1


def test_a_fixed_threshold_is_judged_by_all_people() -> None:
    sessions, lines = _people(10, score=40)
    made = report(sessions, lines, threshold=50)
    assert (made.thresholds, made.calibrated_on) == ([50], 0)
    assert (made.people.count, made.people.total) == (10, 10)
    assert "not made on these people" in show.as_markdown(made)


def test_a_model_scores_the_vectors_of_the_records() -> None:
    model = random_model(3)
    one = session(1)
    line = records(one, None)[0]
    codes = from_text(VECTOR)
    assert codes is not None
    found, _ = seen([one], [line, {**line, "bots": "cut"}], scorer_of(model))
    assert found[0].scores == (model.score(codes), None)


def test_the_worst_family_stands_beside_the_mean() -> None:
    made = _with_bots(
        {name: (10,) if name != "f4" else (95,) for name in ("f1", "f2", "f3", "f4", "f5")}
    )
    held_out = {row.name for row in made.families if row.held_out and row.label == Class.BOT}
    assert len(held_out) == 2
    if "f4" in held_out:
        assert made.worst[Kind.SPOOF].name == "f4"
        assert made.mean[Kind.SPOOF][1] == 0.5


def test_challenges_of_people_and_readers_are_counted_over_all_of_them() -> None:
    person, feed = session(1, "person", Kind.HUMAN), session(2, "feedparser", Kind.FEED)
    lines = [*records(person, 20, action="challenge"), *records(feed, 5, action="block")]
    goals = {goal.name: goal for goal in report([person, feed], lines).goals}
    assert goals["people challenged"].reached is False
    assert goals["people blocked"].reached is True
    assert goals["feed readers, package managers and git blocked or challenged"].reached is False


def test_all_three_forms_hold_the_same_figures() -> None:
    made = _with_bots({"a": (10,), "b": (95,)})
    parsed = json.loads(show.as_json(made))
    assert parsed["thresholds"] == made.thresholds == [89]
    assert {row["name"] for row in parsed["families"]} == {"a", "b", "person"}
    assert "loopback" in show.as_markdown(made)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 10, 0.0179, 0.4042),
        (95, 100, 0.8882, 0.9785),
    ],
)
def test_wilson_intervals_are_those_of_the_tables(
    count: int, total: int, low: float, high: float
) -> None:
    share = Share(count, total)
    assert share.low == pytest.approx(low, abs=5e-4)
    assert share.high == pytest.approx(high, abs=5e-4)


def test_the_exact_bound_is_the_rule_of_three_for_nothing_seen() -> None:
    assert at_most(0, 3000) == pytest.approx(3 / 3000, rel=0.01)
    assert at_most(1, 20) == pytest.approx(0.2161, abs=1e-3)
    assert at_most(5, 5) == 1.0
    assert at_most(0, 0) is None
    assert Share(0, 0).low is None


def test_a_family_is_never_on_both_sides_and_spoofers_stay_with_their_library() -> None:
    sessions = [
        session(n, f"{name}{suffix}", kind, start_s=n)
        for n, (name, suffix, kind) in enumerate(
            (name, suffix, kind)
            for name in ("a", "b", "c", "d", "e")
            for suffix, kind in (("", Kind.DECLARED), (" spoofing", Kind.SPOOF))
            for _ in range(4)
        )
    ]
    halves = split(sessions)
    assert halves.train | halves.test == {s.session for s in sessions}
    assert not halves.train & halves.test
    assert {stem(f) for f in halves.held_out} == {
        stem(s.family) for s in sessions if s.session in halves.test
    }
    assert len(halves.held_out) == 4
    assert split(sessions, seed=2).held_out != halves.held_out or split(sessions, seed=3).held_out


def test_people_are_split_by_time() -> None:
    sessions, _ = _people(10)
    halves = split(sessions)
    assert halves.test == {"s6", "s7", "s8", "s9"}
    assert split([]).test == frozenset()


@pytest.mark.parametrize("text", ["", "0 observe - - - - -", "1 2 3", None, 7, "\0" * 900])
def test_a_text_that_is_no_verdict_is_an_absent_score(text: object) -> None:
    one = session(1)
    found, models = seen([one], [{"client": one.address, "bots": text}])
    assert (found[0].scores, found[0].actions, models) == ((None,), ("",), ())


def test_folds_judge_every_session_once_and_no_family_by_what_learned_from_it() -> None:
    people, _ = _people(10)
    bots = [session(100 + n, f"f{n // 3}", Kind.SPOOF) for n in range(24)]
    found = folds.folds([*people, *bots], 4)
    judged = [name for fold in found for name in fold.test]
    assert sorted(judged) == sorted(s.session for s in [*people, *bots])
    for fold in found:
        learned = {s.family for s in bots if s.session in fold.train}
        assert not learned & fold.held_out
        times = sorted(s.start_s for s in people if s.session in fold.test)
        assert times == [times[0] + n for n in range(len(times))]
    assert all(not fold.test for fold in folds.folds([], 3))


def test_a_report_of_folds_has_a_threshold_for_each_model(tmp_path: Path) -> None:
    people, lines = _people(10)
    bots = [session(100 + n, f"f{n // 3}", Kind.SPOOF) for n in range(24)]
    dataset.write_sessions(tmp_path, [*people, *bots])
    every = [*lines, *(line for bot in bots for line in records(bot, 3))]
    dataset.write_records(tmp_path, [json.dumps(line).encode() for line in every])
    asked: list[set[str]] = []

    def train(folder: Path, sessions: Sequence[Session]) -> Model:
        assert folder == tmp_path
        asked.append({s.family for s in sessions})
        return random_model(len(asked))

    made = folds.judge(tmp_path, 0.001, train, count=4)
    assert len(asked) == 4
    assert len(made.models) == 4
    assert made.people.total == 10
    assert sum(row.sessions for row in made.families) == 34
    assert all(row.held_out for row in made.families)
