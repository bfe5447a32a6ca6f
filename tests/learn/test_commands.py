"""`seawall bots ...` as it is typed: answers, exit codes, progress, and what is never loaded."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import warm_command
from bot_models import random_content
from learn import made
from learn.conftest import clickhouse_server
from machine import needs_lightgbm
from seawall.bots.features import FEATURES, to_text
from seawall.cli.main import app
from seawall.learn.accept import NAMES

VECTOR = to_text((1,) * len(FEATURES))


def _run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return warm_command.run(
        ("bots", *map(str, arguments)), timeout_s=170, cwd=None, env={**os.environ, **environment}
    )


def _here(*arguments: object, text: str = "") -> Result:
    """As `_run`, in this process: for what ends before anything heavy is loaded."""
    return CliRunner().invoke(app, ["bots", *map(str, arguments)], input=text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("data")
    made.write(found, clients=15)
    return found


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.json"
    path.write_bytes(random_content(7))
    return path


@needs_lightgbm
@pytest.mark.timeout(600)  # five whole commands: many seconds each on a machine that is busy
def test_train_measure_explain_show(folder: Path, tmp_path: Path) -> None:
    out, sources = tmp_path / "m.json", ("--records", folder, "--sessions", folder / "sessions.tsv")
    found = _run("train", *sources, "--out", out, "--report", tmp_path / "r", "--budget", 0.02)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Accepted and written" in found.stdout
    assert "Grow trees" in found.stderr
    assert "Grow trees" not in found.stdout
    assert out.exists()
    assert (tmp_path / "r" / "report.md").exists()

    found = _run("train", *sources, "--current", out, "--budget", 0.02, "-f", "json")
    assert found.returncode == 1
    assert found.stderr == ""
    answer = json.loads(found.stdout)
    assert [c["name"] for c in answer["acceptance"]["checks"]] == list(NAMES)
    assert (answer["acceptance"]["accepted"], answer["written"]) == (False, None)

    found = _run("eval", out, *sources, "--budget", 0.02, "-f", "json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["figures"]["auc"] > 0.9

    found = _run("show", out, "-f", "json")
    assert json.loads(found.stdout)["metrics"]["false-positive-budget"] == 0.02

    found = _run("drift", "--before", folder, "--after", folder)
    assert (found.returncode, "Together: steady" in found.stdout) == (0, True)


@needs_lightgbm
def test_a_server_by_url_takes_the_same_way(folder: Path, tmp_path: Path) -> None:
    with clickhouse_server(tmp_path / "clickhouse") as url:
        found = _run(
            *("train", "--records", folder, "--sessions", folder / "sessions.tsv"),
            *("--budget", 0.02, "-f", "json"),
            SEAWALL_CLICKHOUSE_URL=url,
        )
        assert found.returncode == 0, found.stdout
        again = _run(
            *("train", "--sessions", folder / "sessions.tsv", "--database", url),
            *("--budget", 0.02, "-f", "json"),
        )
        untold = _run("train", "--database", url, "-f", "json")
        assert (untold.returncode, "No record has a label" in untold.stdout) == (1, True)
    first, second = json.loads(found.stdout), json.loads(again.stdout)
    assert second["loaded"]["lines"] == 0
    assert first["evaluation"] == second["evaluation"]


def test_drift_ends_with_one_on_an_alarm(folder: Path, tmp_path: Path) -> None:
    people = made.requests(3, clients=60, families=made.FAMILIES[:6])
    after = tmp_path / "after.ndjson"
    after.write_text("".join(f"{request.line}\n" for request in people))
    found = _run("drift", "--before", folder, "--after", after, "-f", "json")
    assert found.returncode == 1
    assert json.loads(found.stdout)["state"] == "alarm"


@needs_lightgbm
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("train",), 2, "No access records"),
        (("train", "--records", "nowhere"), 3, "no access records at"),
        (("train", "--database", "nonsense"), 2, "not the address"),
        (("train", "--records", ".", "--force", "all"), 2, "no check named"),
        (("train", "--records", ".", "--without", "height"), 2, "no feature named"),
        (("train", "--name", "A B", "--records", "."), 2, "not a valid model name"),
        (("train", "--records", ".", "--out", "nowhere/m.json"), 3, "No such file or directory"),
        (("train", "--records", ".", "--out", "/"), 3, "Is a directory"),
        (("eval", "nowhere"), 3, "cannot be read"),
        (("show", "nowhere"), 3, "cannot be read"),
        (("explain", "nowhere", VECTOR), 3, "cannot be read"),
        (("drift", "--before", "nowhere", "--after", "nowhere"), 3, "no access records at"),
    ],
)
def test_failures_have_words_and_stable_codes(
    arguments: tuple[str, ...], code: int, words: str
) -> None:
    found = _here(*arguments)
    assert found.exit_code == code
    assert words in found.stderr
    assert found.stdout == ""
    assert "Traceback" not in found.stderr


def test_the_shipped_model_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = json.loads(_here("show", "starter", "-f", "json").stdout)
    assert shown["name"].startswith("starter-")
    (tmp_path / "starter").write_text("a file of one's own comes first")
    assert _here("show", "starter").exit_code == 1


def test_a_bad_model_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(random_content(1)[:-40])
    found = _here("show", path)
    assert (found.exit_code, "is refused" in found.stderr) == (1, True)


@pytest.mark.parametrize("given", [VECTOR, f"- observe - - - - {VECTOR} 0123456789abcdef.1", "-"])
def test_explain_takes_a_vector_a_field_or_standard_input(model: Path, given: str) -> None:
    found = _here(
        "explain", model, given, text=f"17 allow - - - 0123abcd {VECTOR} 0123456789abcdef.1\n"
    )
    assert found.exit_code == 0, found.stderr
    assert found.stdout.startswith("Score ")
    assert "towards" in found.stdout


def test_a_look_at_a_model_loads_no_heavy_package(model: Path) -> None:
    code = (
        "import sys; from seawall.cli import bots; from seawall.console.output import Output\n"
        f"from pathlib import Path; path = Path({str(model)!r}); out = Output(json_format=False)\n"
        f"bots.show(out, path); bots.explain(out, path, {VECTOR!r})\n"
        "heavy = {'numpy', 'chdb', 'lightgbm', 'matplotlib'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


@needs_lightgbm
def test_progress_bars_on_a_terminal(folder: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "seawall.cli.main", "bots", "train", "--records", str(folder)]
    command += ["--sessions", str(folder / "sessions.tsv"), "--budget", "0.02"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=follower, env=os.environ | {"TERM": "xterm"}
    ) as process:
        os.close(follower)
        shown = b""
        try:
            while block := os.read(leader, 65_536):
                shown += block
        except OSError:  # the other end is closed: Linux says so with an error
            pass
        os.close(leader)
        assert process.stdout is not None
        process.stdout.read()
    assert process.returncode == 0
    text = shown.decode("utf-8", "replace")
    for step in ("Read records", "Features and labels", "Grow trees", "Measure"):
        assert step in text
    assert "100%" in text
