"""The gate as a whole: order of stages, first refusal, and the report that stays."""

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate import made
from seawall.clock import SystemClock
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.errors import RefusedError, UsageError
from seawall.gate.pipeline import run_gate
from seawall.gate.report import GateReport, Stage, StageName


def _gate(
    old: Snapshot | None,
    new: Snapshot,
    work_dir: Path,
    *,
    force: Collection[str] = (),
    envoy: Path = made.ENVOY,
) -> GateReport:
    return asyncio.run(
        run_gate(
            old,
            new,
            force=force,
            validator=made.validator(envoy),
            work_dir=work_dir,
            clock=SystemClock(),
        )
    )


def test_a_good_first_release_passes_every_stage(tmp_path: Path) -> None:
    report = _gate(None, made.snapshot(), tmp_path)
    report.require_passed()
    assert [stage.name for stage in report.stages] == list(StageName)
    assert all(stage.passed for stage in report.stages)
    assert "3 origins read" in report.stages[-1].words


def test_a_dangling_reference_is_refused_before_anything_else(tmp_path: Path) -> None:
    whole = made.snapshot()
    cut = Snapshot.of(r for r in whole.resources if r.name != "o1")
    report = _gate(None, cut, tmp_path)
    assert [stage.name for stage in report.stages] == [StageName.CHECK]
    assert not report.passed
    with pytest.raises(RefusedError):
        report.require_passed()


def test_a_mass_removal_is_refused_before_envoy_is_asked(tmp_path: Path) -> None:
    report = _gate(made.snapshot(12), made.snapshot(4), tmp_path, envoy=tmp_path / "none")
    assert [stage.name for stage in report.stages] == [StageName.CHECK, StageName.GUARD]
    with pytest.raises(
        RefusedError, match=r"removes \d+ of \d+ routes \(67 %\), bound 30 %"
    ) as caught:
        report.require_passed()
    assert caught.value.code == "mass-change"
    assert "--force sites-removed" in caught.value.remedy


def test_a_forced_removal_passes_and_is_recorded(tmp_path: Path) -> None:
    force = ["sites-removed", "routes-removed", "origins-removed", "endpoints-removed"]
    report = _gate(made.snapshot(12), made.snapshot(4), tmp_path, force=force)
    report.require_passed()
    assert any("removes 8 of 12 sites (67 %), bound 20 %" in line for line in report.forced)


def test_an_unknown_force_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to force"):
        _gate(None, made.snapshot(), tmp_path, force=["everything"])


def test_envoys_refusal_ends_the_gate_with_its_words_and_owner(tmp_path: Path) -> None:
    bad = made.spoilt(made.snapshot(), TypeUrl.CLUSTER, "o2", made.maglev_that_is_not_prime)
    report = _gate(made.snapshot(), bad, tmp_path)
    refusal = report.refusal
    assert refusal is not None
    assert (refusal.name, refusal.owner) == (StageName.VALIDATE, "origin o2")
    with pytest.raises(RefusedError, match=r"Envoy refuses origin o2: .*must be prime"):
        report.require_passed()


def test_a_missing_envoy_is_a_refusal_of_its_own(tmp_path: Path) -> None:
    report = _gate(None, made.snapshot(), tmp_path, envoy=tmp_path / "none")
    assert report.refusal is not None
    assert report.refusal.code == "envoy-missing"


def test_a_body_that_is_not_its_type_is_refused(tmp_path: Path) -> None:
    whole = made.snapshot()
    damaged = Resource(TypeUrl.CLUSTER, "o1", b"\xff\xff\xff", "origin o1")
    rest = [r for r in whole.resources if r.name != "o1"]
    report = _gate(None, Snapshot.of((*rest, damaged)), tmp_path)
    assert report.refusal is not None
    assert report.refusal.name is StageName.CHECK


STAGES = st.builds(
    Stage,
    st.sampled_from(StageName),
    st.booleans(),
    st.floats(0, 100),
    st.text(),
    st.text(),
    st.text(),
    st.text(),
)
REPORTS = st.builds(
    GateReport, st.lists(STAGES, max_size=4).map(tuple), st.lists(st.text()).map(tuple)
)


@given(REPORTS)
def test_a_report_reads_back_as_it_was_written(report: GateReport) -> None:
    assert GateReport.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        "[" * 9999,
        '{"stages":[{"name":"taste"}],"forced":[]}',
        '{"stages":[{"name":"check","more":1}],"forced":[]}',
    ],
)
def test_a_report_of_another_version_is_no_report(text: str) -> None:
    assert GateReport.from_json(text) is None
