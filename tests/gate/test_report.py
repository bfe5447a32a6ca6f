"""The gate report: what is stored is read again, by this version and from older ones."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall import limits
from seawall.gate.report import (
    GateReport,
    GateStage,
    Outcome,
    StageReport,
    bounded,
    from_json,
    to_json,
)

STAGES = st.builds(
    StageReport,
    stage=st.sampled_from(GateStage).map(str),
    outcome=st.sampled_from(Outcome),
    elapsed_s=st.integers(0, 10**6).map(lambda micros: micros / 10**6),
    summary=st.text(max_size=40),
    lines=st.lists(st.text(max_size=40), max_size=4).map(tuple),
    code=st.text(max_size=20),
    remedy=st.text(max_size=40),
    blames_content=st.booleans(),
)


@given(st.lists(STAGES, max_size=5).map(lambda stages: GateReport(tuple(stages))))
def test_what_was_written_is_read(report: GateReport) -> None:
    assert from_json(to_json(report)) == report


def test_the_steps_of_an_older_seawall_are_still_a_report() -> None:
    text = json.dumps(
        [
            {"stage": "check", "text": "1 file(s)", "duration_s": 0.25},
            {"stage": "validate", "text": "3 origin(s) read", "duration_s": 1},
        ]
    )
    assert from_json(text).stages == (
        StageReport("check", Outcome.PASSED, 0.25, "1 file(s)"),
        StageReport("validate", Outcome.PASSED, 1.0, "3 origin(s) read"),
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "5", '"a"', "[5]", "{}", '{"stages":5}', '{"stages":[null,[]]}', "not json"),
        "[" * 100_000,
        '{"stages":[],"forced":[]}',
    ],
)
def test_what_makes_no_sense_is_an_empty_report(text: str) -> None:
    assert from_json(text) == GateReport()


def test_a_stage_with_odd_fields_is_still_shown() -> None:
    (stage,) = from_json(
        '{"stages":[{"stage":5,"outcome":"new","lines":[1],"elapsed_s":"x"}]}'
    ).stages
    assert stage == StageReport("", Outcome.PASSED, 0.0, "", ("",))


def test_a_report_of_any_size_fits_the_store() -> None:
    lines = bounded(["ü" * 1_000] * 1_000)
    assert len(lines) == limits.GATE_LINES_MAX + 1
    assert lines[-1] == f"{1_000 - limits.GATE_LINES_MAX} more lines are not shown."
    stages = tuple(
        StageReport(stage.value, Outcome.PASSED, 1.0, "ü" * 1_000, lines) for stage in GateStage
    )
    text = to_json(GateReport(stages))
    assert len(text) <= limits.GATE_REPORT_LENGTH_CHARS_MAX
    assert len(from_json(text).stages) == len(GateStage)
