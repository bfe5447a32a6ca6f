"""The outage that Seawall answers, on the real thing: ClickHouse lists, the feed is refused."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gate.bot_snapshots import snapshot
from seawall.bots import artifact
from seawall.bots.features import FEATURES
from seawall.clock import SystemClock
from seawall.drill.features import columns
from seawall.drill.features.columns import GRANTS, features_of, listed, worked_out
from seawall.drill.features.generator import BadFile, bad_files, good_file, model_file
from seawall.drill.outages import feature_file
from seawall.drill.run import run_guarded
from seawall.errors import RefusedError
from seawall.gate.scores import judge_scores
from seawall.release.release import Kind

GOOD = good_file()
BAD = list(bad_files(GOOD))


def test_clickhouse_itself_lists_every_column_once_for_each_database(tmp_path: Path) -> None:
    answers = asyncio.run(listed(tmp_path / "clickhouse"))
    assert answers.source.startswith("queried from ClickHouse")
    assert answers.by_databases == worked_out("").by_databases
    assert [len(answers.by_databases[grant]) for grant in GRANTS] == [
        len(FEATURES) * grant for grant in GRANTS
    ]


def test_without_chdb_the_drill_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "chdb", None)
    columns.main(str(tmp_path))
    assert "computed, not queried: chDB is not installed" in capsys.readouterr().out


def test_a_database_that_answers_nonsense_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(columns.sys, "executable", "/bin/false")
    found = asyncio.run(listed(tmp_path))
    assert found.source == "computed, not queried: ClickHouse ended with status 1"
    assert found.by_databases == worked_out("").by_databases


def test_the_right_list_makes_a_model_that_is_taken_in_any_order() -> None:
    names = worked_out("").by_databases[1]
    assert model_file(names) == GOOD
    assert artifact.read(GOOD).golden == artifact.read(model_file(names[::-1])).golden


@pytest.mark.parametrize("grant", GRANTS[1:])
def test_a_list_with_duplicates_is_refused(grant: int) -> None:
    content = model_file(worked_out("").by_databases[grant])
    assert features_of(content)["features"].count(",") == grant * len(FEATURES) - 1
    with pytest.raises(RefusedError, match="64 items"):
        artifact.read(content)


@pytest.mark.parametrize("file", BAD, ids=lambda file: file.what)
def test_no_bad_file_passes_the_checks_and_the_gate(file: BadFile) -> None:
    if "right in form" not in file.what:
        with pytest.raises(RefusedError):
            artifact.read(file.content)
        return
    report = judge_scores(snapshot(GOOD), snapshot(file.content), Kind.FEED, list)
    assert report.refusal is not None
    assert report.refusal.code == "score-drift"


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"features": 7}', b"[" * 100_000])
def test_a_careless_reader_finds_nothing_in_garbage(content: bytes) -> None:
    assert features_of(content) == {"features": ""}


def test_seawall_holds_every_file_and_no_score_changes(tmp_path: Path) -> None:
    # None is held by a count of requests: each must be answered, with the same score.
    drill = replace(feature_file.DRILL, after_s=1.0, rate_per_s=60.0)
    guarded = asyncio.run(run_guarded(drill, tmp_path, SystemClock()))
    assert guarded.stable_failed == 0
    assert guarded.account.failed == guarded.account.unanswered, str(guarded)
    assert guarded.account.requests > 2 * guarded.account.unanswered, "a busy machine's give up"
    assert guarded.account.human_actions == 0
    assert guarded.held_by == "bounds"
    (score,) = guarded.scores
    assert 1 < int(score) < 99
    flaps, doubled, last = 3, 1, 1
    assert len(guarded.alarms_s) == flaps + doubled + len(BAD) + last
    assert any("queried from ClickHouse" in note for note in guarded.notes)
