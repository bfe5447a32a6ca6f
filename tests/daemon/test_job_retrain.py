"""Retraining by control: a real edge, a real training, and an Envoy that scores with its model."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from helpers import free_port, wait_until
from learn import made
from machine import needs_lightgbm
from seawall.api.job_views import JobView
from seawall.clock import SystemClock
from seawall.demo.website import running_website
from seawall.errors import SeawallError
from seawall.learn import accept, course
from seawall_process import Edge, seawall_up, site_file

pytestmark = needs_lightgbm

FORCED = ("--force", "score-drift")
BUDGET = 0.01


@dataclass
class Data:
    """Records with their truth, and a model that a training on them improves on."""

    records: Path
    sessions: Path
    weak: Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("data")
    records, sessions = made.write(folder, clients=25)
    order = course.Order(
        course.Source((records,), sessions),
        "weak",
        out=folder / "weak.json",
        budget=BUDGET,
        without=("fetch-coherence", "hints-brand", "referer", "tls-ciphers"),
        forced=accept.NAMES,
    )
    outcome = course.train(order, SystemClock(), lambda *_: None)
    assert outcome.written is not None
    return Data(records, sessions, outcome.written)


@contextmanager
def edge_of(data: Data, folder: Path, **more: str) -> Iterator[Edge]:
    """An edge that scores with the weak model, and has records to do better."""
    shutil.copy(data.sessions, folder / "truth.tsv")
    with running_website() as website:
        origin, port = f"http://127.0.0.1:{website}", free_port()
        settings = "{every: 24h, budget: 1%, labels: {sessions: truth.tsv}}"
        text = site_file(port, origin) + f"bots: {{retrain: {settings}}}\n"
        with seawall_up(folder, origin, port=port, text=text) as edge:
            pushed = edge.run("feed", "push", "bot-model", str(data.weak), *FORCED)
            assert pushed.returncode == 0, pushed.stderr
            shutil.copy(data.records, edge.data_dir / "access" / "made.ndjson")
            yield edge


def _job(edge: Edge) -> JobView | None:
    """What `bots jobs` would show; None while nobody answers."""
    with suppress(SeawallError), edge.client() as client:
        return next(one for one in client.jobs().jobs if one.job == "retrain")
    return None


def _ran(edge: Edge, code: int) -> dict[str, Any]:
    found: dict[str, Any] = edge.json("bots", "run-job", "retrain", code=code)
    return found


def _model(edge: Edge) -> str:
    return str(edge.json("feed", "list")["model"]["id"])


def _scored_by(edge: Edge) -> str:
    """The model that Envoy scores a request with."""
    request_id = edge.get("/")[1]["x-request-id"]
    return str(edge.wait_for_record(request_id)["bots"]).split(" ")[5]


def _trainer(edge: Edge) -> psutil.Process:
    """The process that trains just now."""

    def found() -> psutil.Process | None:
        for process in psutil.Process(edge.pid("control")).children():
            if "seawall.daemon.job" in process.cmdline():
                return process
        return None

    return wait_until(found, what="the training runs")


@pytest.mark.timeout(600)  # two trainings and three releases on a machine that is busy
def test_an_accepted_model_is_released_and_scores_and_one_that_is_no_better_is_not(
    data: Data, tmp_path: Path
) -> None:
    with edge_of(data, tmp_path) as edge:
        before = _model(edge)
        found = _ran(edge, 0)
        assert (found["outcome"], found["code"]) == ("released", "bot-model-released"), found
        trained = _model(edge)
        assert trained != before
        assert trained in found["reason"]
        newest = edge.json("releases")["releases"][0]
        assert (newest["author"], newest["kind"]) == ("retrain", "feed")
        wait_until(lambda: _scored_by(edge) == trained, what="Envoy scores with the trained model")
        report = Path(found["report"])
        assert {"report.md", "report.json", "model.json"} <= {p.name for p in report.iterdir()}

        found = _ran(edge, 1)
        assert (found["outcome"], found["code"]) == ("refused", "bot-model-not-accepted")
        assert "gain: no better than the current model" in found["reason"]
        assert (Path(found["report"]) / "refused-model.json").exists()
        assert _model(edge) == trained
        status = edge.json("status")
        assert "job-refused" in [notice["code"] for notice in status["notices"]]
        assert edge.json("releases")["releases"][0]["id"] == newest["id"]

        (tmp_path / "truth.tsv").write_text("nonsense\n")
        found = _ran(edge, 1)
        assert found["outcome"] == "refused"
        assert "truth.tsv" in found["reason"]
        assert _scored_by(edge) == trained
        assert not (edge.data_dir / "control" / "training" / "work").exists()

        away = f"http://127.0.0.1:{free_port()}/"
        text = edge.config.read_text().replace("budget: 1%", f'budget: 1%, database: "{away}"')
        edge.write(text=text)
        assert edge.run("apply").returncode == 0
        found = _ran(edge, 1)
        assert found["outcome"] == "failed", found
        assert away.removesuffix("/").removeprefix("http://") in found["reason"]


@pytest.mark.timeout(600)
def test_a_trainer_or_a_control_process_that_is_killed_changes_nothing(
    data: Data, tmp_path: Path
) -> None:
    with edge_of(data, tmp_path) as edge:
        before = _model(edge)
        assert edge.json("bots", "run-job", "retrain", "--no-wait")["running"]
        trainer = _trainer(edge)
        again = edge.run("bots", "run-job", "retrain")
        assert (again.returncode, "is running" in again.stderr) == (1, True), again.stderr
        trainer.send_signal(signal.SIGKILL)
        wait_until(lambda: (one := _job(edge)) and one.ended_s, what="the end is told")
        [found] = [one for one in edge.json("bots", "jobs")["jobs"] if one["job"] == "retrain"]
        assert (found["outcome"], found["code"], found["failures"]) == ("failed", "job-lost", 1)
        assert "It was killed" in found["reason"]

        assert edge.json("bots", "run-job", "retrain", "--no-wait")["running"]
        trainer = _trainer(edge)
        edge.kill("control")
        wait_until(lambda: not trainer.is_running(), what="the trainer dies with control")
        edge.pid("control")
        interrupted = wait_until(
            lambda: (one := _job(edge)) and one.outcome == "interrupted" and one,
            what="control is back and knows it",
        )
        assert interrupted
        assert (interrupted.running, interrupted.failures) == (False, 2)
        assert _model(edge) == before
        assert _scored_by(edge) == before
        assert _ran(edge, 0)["outcome"] == "released"
