"""The whole way with real ClickHouse and LightGBM: files in; a model, a report or a refusal out."""

import json
from pathlib import Path

import pytest

from learn import made
from machine import needs_lightgbm
from seawall.bots import artifact
from seawall.bots.features import from_text
from seawall.clock import SystemClock
from seawall.errors import RefusedError, UnreachableError, UsageError
from seawall.learn import course, needs
from seawall.learn.course import Order, Source

pytestmark = needs_lightgbm

PICTURES = {"roc.png", "calibration.png", "scores.png", "families.png", "features.png"}


class _At:
    """A clock that stands."""

    def now_s(self) -> float:
        return made.START_S

    def monotonic_s(self) -> float:
        return 0.0

    async def sleep(self, _duration_s: float) -> None:
        raise AssertionError


def _quiet(*_: object) -> None:
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Source:
    found, truth = made.write(tmp_path_factory.mktemp("data"), clients=25)
    return Source((found,), truth)


@pytest.fixture(scope="module")
def first(data: Source, tmp_path_factory: pytest.TempPathFactory) -> course.Outcome:
    folder = tmp_path_factory.mktemp("first")
    order = Order(data, "first", out=folder / "model.json", report=folder / "report", budget=0.01)
    return course.train(order, _At(), _quiet)


def test_a_first_model_is_accepted_written_and_reads_back(first: course.Outcome) -> None:
    assert first.acceptance is not None
    assert first.acceptance.accepted, first.acceptance.failed
    assert first.written is not None
    content = first.written.read_bytes()
    model = artifact.read(content)
    assert artifact.digest(content) == first.report.digest
    assert (model.name, model.created, model.parent) == ("first", "2026-11-18T11:06:40Z", "")
    assert model.metrics["auc"] > 0.95
    assert model.metrics["operating-score"] >= 1
    assert len({golden.score for golden in model.golden}) > 10
    assert list(first.written.parent.glob(".*")) == []


def test_people_and_programs_get_their_scores(first: course.Outcome) -> None:
    assert first.written is not None
    model = artifact.read(first.written.read_bytes())
    scores: dict[str, list[int]] = {"human": [], "tool": [], "bot": []}
    for request in made.requests(seed=99, clients=2, families=made.FAMILIES[:19]):
        scores[request.family.label].append(model.score(request.codes))
    middle = {label: sorted(found)[len(found) // 2] for label, found in scores.items()}
    assert middle["human"] > 80
    assert middle["tool"] < 10
    assert middle["bot"] < 10


def test_the_report_is_for_people_and_programs(first: course.Outcome) -> None:
    assert first.written is not None
    folder = first.written.parent / "report"
    assert {path.name for path in folder.iterdir()} == PICTURES | {"report.md", "report.json"}
    for name in PICTURES:
        content = (folder / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert 4_000 < len(content) < 200_000
    page = (folder / "report.md").read_text()
    assert page.startswith("# Bot model first\n")
    assert "**Accepted.**" in page
    for name in PICTURES:
        assert f"]({name})" in page
    for family in made.FAMILIES:
        assert page.count(family.name) <= 2
    assert "impersonator-0" in page
    report = json.loads((folder / "report.json").read_text())
    assert report["acceptance"]["accepted"] is True
    assert report["figures"]["auc"] == first.report.evaluation.auc
    assert (
        sum(sum(h) for h in report["evaluation"]["histogram"].values())
        == (report["evaluation"]["rows"])
    )


def test_the_same_data_and_seed_are_the_same_bytes(
    data: Source, first: course.Outcome, tmp_path: Path
) -> None:
    again = course.train(Order(data, "first", budget=0.01), _At(), _quiet)
    assert again.report.digest == first.report.digest
    other = course.train(Order(data, "first", budget=0.01, seed=2), _At(), _quiet)
    assert other.report.digest != first.report.digest


def test_a_model_that_is_no_better_is_refused_and_kept_apart(
    data: Source, first: course.Outcome, tmp_path: Path
) -> None:
    out = tmp_path / "released.json"
    out.write_text("what was there")
    order = Order(
        data, "again", current=first.written, out=out, report=tmp_path / "report", budget=0.01
    )
    found = course.train(order, _At(), _quiet)
    assert found.acceptance is not None
    assert [check.name for check in found.acceptance.failed] == ["gain"]
    assert out.read_text() == "what was there"
    assert found.written == tmp_path / "report" / course.REFUSED_FILE
    model = artifact.read(found.written.read_bytes())
    assert model.parent == first.report.digest
    assert "**Refused.**" in (tmp_path / "report" / "report.md").read_text()


def test_a_refused_model_is_written_when_it_is_forced_by_name(
    data: Source, first: course.Outcome, tmp_path: Path
) -> None:
    out = tmp_path / "released.json"
    order = Order(data, "again", current=first.written, out=out, budget=0.01, forced=("gain",))
    found = course.train(order, _At(), _quiet)
    assert found.acceptance is not None
    assert found.acceptance.accepted
    assert artifact.digest(out.read_bytes()) == found.report.digest


def test_a_budget_that_cannot_be_shown_refuses_and_without_a_name_the_date_is_one(
    data: Source, tmp_path: Path
) -> None:
    out = tmp_path / "model.json"
    found = course.train(Order(data, out=out, budget=0.0001), _At(), _quiet)
    assert found.report.evaluation.model == "trained-2026-11-18", "the date, without a name"
    assert found.acceptance is not None
    assert "false-positive-budget" in [check.name for check in found.acceptance.failed]
    assert found.written is None
    assert not out.exists()


def test_an_existing_model_is_measured(data: Source, first: course.Outcome, tmp_path: Path) -> None:
    assert first.written is not None
    steps: list[str] = []
    found = course.measure(
        first.written,
        data,
        SystemClock(),
        lambda step, _done, _of: steps.append(step),
        budget=0.01,
        folder=tmp_path / "report",
    )
    assert found.acceptance is None
    assert found.report.digest == first.report.digest
    assert found.report.evaluation.rows == found.report.loaded.kept
    assert list(dict.fromkeys(steps)) == [
        "Read records",
        "Features and labels",
        "Measure",
        "Draw the report",
    ]
    assert "may have been trained on" in (tmp_path / "report" / "report.md").read_text()


def test_two_times_are_compared(data: Source) -> None:
    found, (before, after) = course.compare(data.records, data.records, "", _quiet)
    assert before.kept == after.kept > 0
    assert found.state.value == "steady"


def test_golden_vectors_are_those_of_records(data: Source, first: course.Outcome) -> None:
    assert first.written is not None
    seen = {request.codes for request in made.requests(clients=25)}
    model = artifact.read(first.written.read_bytes())
    assert all(from_text(golden.vector) in seen for golden in model.golden)


class TestRefusals:
    def test_no_records(self) -> None:
        with pytest.raises(UsageError, match="No access records"):
            course.train(Order(Source(()), "x"), _At(), _quiet)

    def test_records_that_are_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(UnreachableError, match="no access records at"):
            course.train(Order(Source((tmp_path / "gone",)), "x"), _At(), _quiet)

    def test_records_without_labels(self, data: Source) -> None:
        with pytest.raises(RefusedError, match=r"No record has a label.*unlabelled"):
            course.train(Order(Source(data.records), "x"), _At(), _quiet)

    def test_records_without_vectors(self, tmp_path: Path) -> None:
        path = tmp_path / "old.ndjson"
        path.write_text('{"time": "2026-11-28T10:00:00.000Z"}\nbroken\n')
        with pytest.raises(RefusedError, match="no line is an access record"):
            course.train(Order(Source((path,)), "x"), _At(), _quiet)

    def test_a_check_that_does_not_exist(self, data: Source) -> None:
        with pytest.raises(UsageError, match="no check named 'everything'"):
            course.train(Order(data, "x", forced=("everything",)), _At(), _quiet)

    @pytest.mark.parametrize("budget", [0.0, 1.0, -1.0, float("nan")])
    def test_a_budget_that_is_none(self, data: Source, tmp_path: Path, budget: float) -> None:
        with pytest.raises(UsageError, match="budget"):
            course.train(Order(data, "x", budget=budget), _At(), _quiet)
        with pytest.raises(UsageError, match="budget"):
            course.measure(tmp_path, data, _At(), _quiet, budget=budget, folder=None)

    def test_a_current_model_that_is_none(self, data: Source, tmp_path: Path) -> None:
        path = tmp_path / "model.json"
        path.write_text("{}")
        with pytest.raises(RefusedError, match="refused"):
            course.train(Order(data, "x", current=path), _At(), _quiet)

    def test_a_name_that_no_model_may_have(self, data: Source) -> None:
        with pytest.raises(UsageError, match="name"):
            course.train(Order(data, "../x"), _At(), _quiet)

    def test_a_place_that_cannot_be_written(self, data: Source, tmp_path: Path) -> None:
        out = tmp_path / "nowhere" / "model.json"
        with pytest.raises(UnreachableError, match="cannot be written"):
            course.train(Order(data, "x", out=out, budget=0.01), _At(), _quiet)

    def test_missing_packages_are_named_with_the_remedy(
        self, data: Source, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(needs, "find_spec", lambda name: None if name == "chdb" else name)
        with pytest.raises(UnreachableError, match=r"not installed here: chdb\..*seawall\[learn\]"):
            course.train(Order(data, "x"), _At(), _quiet)


def test_a_library_that_the_system_lacks_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs.require("lightgbm")
    monkeypatch.setattr(needs, "_THREADS", "libnowhere.so.1")
    with pytest.raises(UnreachableError, match=r"libnowhere\.so\.1.*apt install libgomp1"):
        needs.require("lightgbm")
    needs.require("numpy")
