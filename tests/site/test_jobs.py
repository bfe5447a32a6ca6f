"""Jobs in a site file: what may be written, what is refused, and what comes out."""

import pytest

from seawall import limits
from seawall.model.jobs import NO_JOBS, JobName, Jobs, RangesRenewal, Retraining
from seawall.site.build_jobs import jobs_of
from seawall.site.parse import value_of
from site_text import HEAD, ROOT, certificate_files, ids, load_text

SITES = "sites:\n  shop:\n    hosts: [shop.example.com]\n    origin: http://127.0.0.1:3000\n"
LISTS = "lists: {gptbot: {}}\n"


def loaded(bots: str, lists: str = LISTS) -> set[str]:
    return ids(load_text(f"{HEAD}bots: {bots}\n{lists}{SITES}", certificate_files()))


def jobs(bots: str) -> Jobs:
    text = f"{HEAD}bots: {bots}\n{SITES}"
    return jobs_of(ROOT, value_of(ROOT, text.encode(), "bots"))


def test_what_is_not_written_is_off() -> None:
    assert jobs("{model: a.json}") == NO_JOBS
    assert jobs_of(ROOT, None) == NO_JOBS
    assert [NO_JOBS.every_s(name) for name in JobName] == [None, None]


def test_a_short_text_has_the_usual_values() -> None:
    found = jobs("{retrain: {every: 12h}, ranges: {every: 1d}}")
    budget = limits.LEARN_FALSE_POSITIVE_BUDGET
    assert found == Jobs(Retraining(43_200.0, "bot-model", budget), RangesRenewal(86_400.0))
    assert found.every_s(JobName.RANGES) == 86_400.0


def test_everything_that_may_be_written_comes_out() -> None:
    labels = "{sessions: truth.tsv, bot_rules: [trap, honeypot], tool_rules: declared}"
    server = '"http://10.0.0.9:8123/?database=records"'
    written = f"{{every: 7d, labels: {labels}, budget: 0.2%, without: [te], database: {server}}}"
    assert loaded(f"{{retrain: {written}}}") == set()
    assert jobs(f"{{retrain: {written}}}").retrain == Retraining(
        every_s=7 * 86_400.0,
        feed="bot-model",
        budget=0.002,
        sessions="/site/truth.tsv",
        bot_rules=("trap", "honeypot"),
        tool_rules=("declared",),
        without=("te",),
        database="http://10.0.0.9:8123/?database=records",
    )


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("{every: 59m}", "out-of-range"),
        ("{every: 31d}", "out-of-range"),
        ("{every: 24}", "bad-duration"),
        ("{}", "missing-key"),
        ("{every: 24h, evry: 1h}", "unknown-key"),
        ("{every: 24h, labels: {session: a}}", "unknown-key"),
        ("{every: 24h, labels: {bot_rules: [A B]}}", "bad-name"),
        ("{every: 24h, budget: 20%}", "out-of-range"),
        ("{every: 24h, without: [colour]}", "unknown-value"),
        ("{every: 24h, database: ftp://a/}", "bad-url"),
        ("{every: 24h, database: 'http://[/'}", "bad-url"),
        ("{every: 24h, database: 'http://me:secret@a:8123/'}", "secret-in-file"),
        ("{every: 24h, database: 'http://me@a:8123/'}", "secret-in-file"),
        ("{every: 24h, to: both}", "unknown-value"),
        ("24h", "wrong-type"),
    ],
)
def test_what_makes_no_sense_is_refused_and_switches_nothing_on(written: str, problem: str) -> None:
    assert problem in loaded(f"{{retrain: {written}}}")
    assert jobs(f"{{retrain: {written}}}") == NO_JOBS


def test_no_secret_of_a_database_is_repeated() -> None:
    text = f"{HEAD}bots: {{retrain: {{every: 24h, database: 'http://me:secret@a/'}}}}\n{SITES}"
    for problem in load_text(text).problems:
        assert "secret@" not in f"{problem.what} {problem.remedy} {problem.why}"


def test_a_model_file_and_retraining_exclude_each_other() -> None:
    assert loaded("{model: models/current.json, retrain: {every: 24h}}") == {"retrain-model-file"}
    assert loaded("{model: models/current.json, ranges: {every: 24h}}") == set()
    assert loaded("{retrain: {every: 24h}}") == set()


def test_a_shadow_can_be_retrained_beside_a_model_file_but_not_a_shadow_file() -> None:
    retrain = "retrain: {every: 24h, to: shadow}"
    found = jobs(f"{{{retrain}}}").retrain
    assert found is not None
    assert found.feed == "bot-model-shadow"
    assert loaded(f"{{model: models/current.json, {retrain}}}") == set()
    assert loaded(f"{{shadow: models/current.json, {retrain}}}") == {"retrain-model-file"}
    assert loaded("{shadow: models/current.json, retrain: {every: 24h}}") == set()


def test_ranges_without_a_list_that_takes_them_are_told() -> None:
    ranges = "{ranges: {every: 24h}}"
    assert loaded(ranges) == set()
    assert loaded(ranges, "") == {"ranges-without-list"}
    assert "ranges-without-list" in loaded(ranges, "lists: {gptbot: {file: models/current.json}}\n")
    assert "ranges-without-list" in loaded(ranges, "lists: {others: {}}\n")
    assert "ranges-without-list" not in loaded(ranges, "lists: {gptbot: {fil: x}}\n")
