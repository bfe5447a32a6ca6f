"""What operators copy from `deploy/` fits the program: options, metrics, labels."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from seawall.telemetry.prometheus import METRICS
from seawall_process import seawall

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
ANALYSE = shutil.which("systemd-analyze")
PROGRAM = "/opt/seawall/current/bin/seawall"
_CODE = {".py", ".pyc"}
ADDED_BY_PROMETHEUS = {"instance", "exported_job"}
"""Its own label `job` moves ours aside: prometheus.io/docs, scrape_config, honor_labels."""
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]


def _commands(unit: Path) -> list[list[str]]:
    lines = re.findall(r"^Exec\w+=(.*)$", unit.read_text(), re.MULTILINE)
    return [line.split() for line in lines]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_uses_options_that_there_are(unit: Path) -> None:
    for program, command, *arguments in _commands(unit):
        assert program == PROGRAM
        told = seawall(command, "--help").stdout
        for option in (word for word in arguments if word.startswith("--")):
            assert re.search(rf"{option}\b", told), f"{unit.name}: {command} has no {option}"


def test_a_reload_ends_before_systemd_gives_it_up() -> None:
    reloads = re.findall(r"^ExecReload=(.*)$", UNITS[-1].read_text(), re.MULTILINE)
    assert UNITS[-1].name == "seawall.service"
    assert [line.split()[-1] for line in reloads] == ["--no-wait"]


@pytest.mark.skipif(ANALYSE is None, reason="there is no systemd on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    there = tmp_path / unit.name
    there.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    done = subprocess.run(
        [str(ANALYSE), "verify", there], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_measured_and_says_what_to_do(rule: dict[str, Any]) -> None:
    known = {metric.name: set(metric.labels) for metric in METRICS}
    used = set(re.findall(r"seawall_\w+", rule["expr"]))
    assert used <= known.keys()
    labels = set().union(*(known[name] for name in used)) | ADDED_BY_PROMETHEUS
    assert set(re.findall(r"by \((\w+)\)", rule["expr"])) <= labels
    annotations = rule["annotations"]
    words = f"{annotations['summary']} {annotations['do']}"
    assert set(re.findall(r"\$labels\.(\w+)", words)) <= labels
    for command in re.findall(r"`seawall (\w+)", words):
        assert seawall(command, "--help").returncode == 0


def test_what_lies_beside_the_modules_is_packaged() -> None:
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())
    globs = project["tool"]["setuptools"]["package-data"]["seawall"]
    package = DEPLOY.parent / "src" / "seawall"
    packaged = {path for glob in globs for path in package.glob(glob)}
    beside = {path for path in package.rglob("*") if path.is_file() and path.suffix not in _CODE}
    assert beside - packaged == set()
    assert all((path.parent / "__init__.py").exists() for path in package.rglob("*.py"))
