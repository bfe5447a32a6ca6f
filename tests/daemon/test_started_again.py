"""`seawall up` on an edge that serves already: whatever goes wrong then, what serves goes on.

What starts is its part that offers the site file, `seawall.daemon.ready`; when that ends with
anything but 0, the supervisor stops the edge.
"""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import free_port, wait_until
from seawall.daemon.telling import Telling
from seawall.demo.website import running_website
from seawall_process import Edge, seawall_up, site_file

_STAYS = "rollout: {steps: [{share: 50%, soak: 10m, deadline: 10m}], bake: 1s}\n"
_HELD = "rollout: {steps: [50%], without_traffic: hold, bake: 1s}\n"
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running_website() as port:
        yield f"http://127.0.0.1:{port}"


def _command(edge: Edge, style: str) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "seawall.daemon.ready", "--format", style),
        *("--config", str(edge.config), "--data-dir", str(edge.data_dir)),
    ]


@contextlib.contextmanager
def _starting(edge: Edge, *, style: str = "json") -> "Iterator[subprocess.Popen[str]]":
    with subprocess.Popen(
        _command(edge, style), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _end(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """What it said until it ended well."""
    said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, said
    return [json.loads(line) for line in said.splitlines()]


def _errors(said: list[dict[str, Any]]) -> list[str]:
    return [event["error"]["code"] for event in said if "error" in event]


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[Edge]:
    """One that serves, whatever is done to it here."""
    with seawall_up(tmp_path_factory.mktemp("edge"), origin) as running:
        yield running


def _current(edge: Edge) -> str:
    status = edge.status()
    assert status is not None
    assert status.current is not None
    return status.current.id


def _running(edge: Edge) -> bool:
    status = edge.status()
    return status is not None and status.rollouts is not None and bool(status.rollouts.running)


def test_a_control_process_that_is_killed_meanwhile_is_waited_for(edge: Edge) -> None:
    before = _current(edge)
    edge.write(more="    timeout: 21s\n")
    with _starting(edge, style="text") as process:
        assert process.stdout is not None
        assert "Check the site file" in process.stdout.readline()
        edge.kill("control")
        said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, said
    assert _current(edge) != before, "it is offered once more"


@pytest.mark.parametrize("style", ["text", "json"])
def test_a_log_on_a_full_disk_is_no_reason_to_stop(edge: Edge, style: str) -> None:
    edge.write(more=f"    timeout: {22 + len(style)}s\n")
    with Path("/dev/full").open("w") as full:
        command = _command(edge, style)
        done = subprocess.run(command, stdout=full, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0


def test_another_release_on_its_way_is_told_and_goes_on(edge: Edge) -> None:
    before = _current(edge)
    text = site_file(edge.port, edge.origin, more="    timeout: 31s\n")
    edge.write(text=text.partition("rollout:")[0] + _STAYS)
    assert edge.run("apply", "--no-wait").returncode == 0
    with _starting(edge) as process:
        note, *_ = _end(process)
    assert (
        f"is being rolled out as r{int(before[1:]) + 1}; until that ends, {before} serves"
        in str(note["message"])
    )
    edge.write(more="    timeout: 32s\n")
    with _starting(edge) as process:
        said = _end(process)
    edge.run("abort")  # unless it was given up already, as on a busy machine
    assert _errors(said) == ["release-in-progress"]
    assert said[-1]["event"] == "ready"


def test_a_manager_need_not_wait_until_a_release_has_been_brought_out(edge: Edge) -> None:
    text = site_file(edge.port, edge.origin, more="    timeout: 33s\n")
    edge.write(text=text.partition("rollout:")[0] + _HELD)
    telling = Telling(edge.config, edge.data_dir, json_output=True)
    try:
        # Whoever releases waits for a person here, so what ended would not have waited.
        wait_until(telling.says_that_it_serves, what="it says so", deadline_s=DEADLINE_S)
        wait_until(lambda: _running(edge), what="the rollout", deadline_s=DEADLINE_S)
        assert telling.ended() is None
        assert not telling.says_that_it_serves(), "once is enough"
    finally:
        telling.kill()
        edge.run("abort")


def test_a_port_of_somebody_else_in_a_file_that_changed_is_told(edge: Edge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        edge.write(text=site_file(taken.getsockname()[1], edge.origin))
        with _starting(edge) as process:
            said = _end(process)
    assert _errors(said) == ["port-taken"]
    assert said[-1] | {"event": "ready", "release": _current(edge)} == said[-1]


def test_a_supervisor_that_was_killed_in_a_canary_leaves_an_edge_that_starts(
    tmp_path: Path, origin: str
) -> None:
    port = free_port()
    with seawall_up(tmp_path, origin, port=port) as first:
        envoy = first.pid("envoy")
        text = site_file(first.port, first.origin, more="    timeout: 21s\n")
        first.write(text=text.partition("rollout:")[0] + _STAYS)
        assert first.run("apply", "--no-wait").returncode == 0
        first.kill("up")
        first.write(more="    timeout: 22s\n")
        with seawall_up(tmp_path, origin, port=port) as second:
            assert second.pid("envoy") == envoy
            assert second.get()[0] == 200
            assert second.process.poll() is None
