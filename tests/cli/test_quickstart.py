"""The commands of docs/quickstart.md and of the demo, run as a reader would run them."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import warm_command
from helpers import free_port, wait_until
from machine import needs_curl
from seawall.demo.website import running_website
from seawall.testing import forked
from seawall_process import COMMAND, STOP_DEADLINE_S

PAGE = Path(__file__).parents[2] / "docs" / "quickstart.md"
REFUSED_AFTER = "timeoutt"
_COMMAND_DEADLINE_S = 160.0
"""An `apply` goes through all steps of its rollout, which wait for what a busy machine measures."""


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """An environment in which `seawall` is this checkout's, forked with warm libraries."""
    stand_in = [sys.executable, "-P", "-m", warm_command.offer_workbench()]
    folder = tmp_path / "bin"
    folder.mkdir()
    wrapper = folder / "seawall"
    wrapper.write_text(
        f'#!/bin/sh\n{forked.PROGRAM}={COMMAND[-1]} exec {" ".join(stand_in)} "$@"\n'
    )
    wrapper.chmod(0o755)
    environment = dict(os.environ)
    for name in ("SEAWALL_CONFIG", "SEAWALL_DATA_DIR", "SEAWALL_URL", "SEAWALL_TOKEN"):
        environment.pop(name, None)
    return environment | {"PATH": f"{folder}:{os.environ['PATH']}"}


def commands(page: str) -> list[str]:
    """The lines of every `sh` block."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@needs_curl
def test_every_command_of_the_quickstart_does_what_the_page_says(
    tmp_path: Path, shell: dict[str, str]
) -> None:
    ports = {"8080": str(free_port()), "8443": str(free_port())}
    with running_website() as website:
        ports["3000"] = str(website)
        up: subprocess.Popen[str] | None = None
        try:
            before = ""
            for line in commands(_with_ports(PAGE.read_text(), ports)):
                if line == "seawall up":
                    up = _up(tmp_path, shell)
                    continue
                done = _run(line, tmp_path, shell)
                if line.startswith("seawall why"):
                    done = _until_recorded(line, tmp_path, shell)
                expected = 1 if REFUSED_AFTER in before else 0
                assert done.returncode == expected, f"{line}\n{done.stdout}\n{done.stderr}"
                if line.startswith("seawall init"):
                    _use_ports(tmp_path / "seawall.yaml", ports)
                before = line
            assert up is not None
            assert up.wait(STOP_DEADLINE_S) == 0
        finally:
            if up is not None:
                _end(up)


@needs_curl
@pytest.mark.timeout(360)
def test_the_commands_that_the_demo_suggests_work(tmp_path: Path, shell: dict[str, str]) -> None:
    with warm_command.Popen(
        [*COMMAND, "demo", "--data-dir", "demo-data"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=shell,
    ) as demo:
        try:
            assert demo.stdout is not None
            said: list[str] = []
            for line in demo.stdout:
                said.append(line.rstrip())
                if "Ctrl-C stops all of it." in line:
                    break
            assert any(re.search(r"a request passed over HTTP and HTTPS", line) for line in said)
            suggested = [line.strip() for line in said if line.startswith("     ")]
            assert len(suggested) == 4
            for command in suggested:
                # The demo names the program as it was called; here that is a module.
                line = command.replace(COMMAND[-1], "seawall")
                done = _until_recorded(line, tmp_path, shell)
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            url = next(line.strip() for line in said if line.strip().startswith("http://127"))
            page = _run(f"curl -s {url}", tmp_path, shell)
            assert "Behind the seawall" in page.stdout
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(STOP_DEADLINE_S)
    assert demo.returncode == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_socket()]


def test_the_demo_leaves_a_folder_that_is_not_its_own_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(
        [*COMMAND, "demo", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "do not belong to the demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def _run(
    line: str, directory: Path, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],  # noqa: S607 - as a reader's own shell
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_COMMAND_DEADLINE_S,
        check=False,
    )


def _until_recorded(
    line: str, directory: Path, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """`why` may be asked before Envoy has written the record."""
    found: list[subprocess.CompletedProcess[str]] = []

    def good() -> bool:
        found[:] = [_run(line, directory, environment)]
        return found[0].returncode == 0 or " why " not in line

    wait_until(good, what=line, deadline_s=40)
    return found[0]


def _up(directory: Path, environment: dict[str, str]) -> "subprocess.Popen[str]":
    up = subprocess.Popen(
        [sys.executable, "-P", "-m", "seawall.cli.main", "up"],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert up.stdout is not None
    said = []
    for line in up.stdout:
        said.append(line)
        if "Ctrl-C stops everything." in line:
            return up
    _end(up)
    raise AssertionError("seawall up ended: " + "".join(said))


def _end(up: "subprocess.Popen[str]") -> None:
    if up.poll() is None:
        up.send_signal(signal.SIGINT)
        up.wait(STOP_DEADLINE_S)
    assert up.stdout is not None
    up.stdout.close()


def _use_ports(config: Path, ports: dict[str, str]) -> None:
    config.write_text(_with_ports(config.read_text(), ports))


def _with_ports(text: str, ports: dict[str, str]) -> str:
    for written, used in ports.items():
        text = text.replace(f":{written}", f":{used}")
    return text
