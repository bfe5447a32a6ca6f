"""Hundreds of simulated nodes and five real ones: all are reached, and all come back.

`make bench` does the same with as many as a fleet may have.
"""

import contextlib
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from bench.crowd import Crowd

import warm_command
from fleet.crew import ControlProcess, joined, loop
from helpers import free_port, wait_until
from seawall.api.views import Applied
from seawall.site.sources import SourceFile, SourceSet

SIMULATED = 400
REAL = 5
DEADLINE_S = 120.0


def sources(port: int, text: str) -> SourceSet:
    content = f"""version: 1
listen: {{http: 127.0.0.1:{port}}}
rollout: {{steps: [], waves: [], bake: 1s}}
sites:
  shop:
    hosts: ["*"]
    origin: http://127.0.0.1:9
    routes: [{{name: all, prefix: /, respond: {{status: 200, body: "{text}"}}}}]
"""
    path = "/etc/seawall/seawall.yaml"
    return SourceSet(path, (SourceFile(path, content.encode()),))


def apply(control: ControlProcess, port: int, text: str) -> None:
    with control.client() as client:
        *_, end = client.apply(sources(port, text), message=text, author="ada")
    assert isinstance(end, Applied), end


@contextlib.contextmanager
def agents(control: ControlProcess, home: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Real node processes with real Envoys; they share one port, as the kernel allows."""
    running = []
    try:
        for number in range(REAL):
            joined(control, home, f"real-{number}", seed=number).close()
            running.append(start_agent(home / f"real-{number}"))
        yield running
    finally:
        for process in running:
            end_agent(process)


def start_agent(home: Path) -> "subprocess.Popen[bytes]":
    with (home / "err").open("ab") as errors:
        return warm_command.Popen(
            [
                *(
                    sys.executable,
                    "-P",
                    "-m",
                    "seawall.daemon.node",
                    "--fleet",
                    "--concurrency",
                    "1",
                ),
                *("--data-dir", home, "--parent-fd", "0"),
            ],
            stdin=subprocess.PIPE,
            stdout=errors,
            stderr=errors,
        )


def end_agent(process: "subprocess.Popen[bytes]") -> None:
    """Drain and stop Envoy; the second signal waits for no drain."""
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def heard(control: ControlProcess) -> dict[str, str | None]:
    """What each connected node serves."""
    with control.client() as client:
        return {node.name: node.release for node in client.nodes().nodes if node.connected}


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlProcess]:
    made = ControlProcess(tmp_path / "c")
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.timeout(420)
def test_a_release_reaches_hundreds_of_nodes_and_all_come_back_after_a_restart_of_control(
    control: ControlProcess, tmp_path: Path
) -> None:
    port = free_port()
    address = ("127.0.0.1", control.port)
    crowd = Crowd(control.home, tmp_path / "sim", address, SIMULATED)
    with loop() as running, agents(control, tmp_path) as real:
        running.run(crowd.start())
        try:
            running.run(crowd.until_heard(deadline_s=DEADLINE_S), DEADLINE_S)
            for text in ("one", "two"):
                generation = 1 + max(node.generation for node in crowd.nodes)
                apply(control, port, text)
                running.run(crowd.until(generation, deadline_s=DEADLINE_S), DEADLINE_S)
                [release] = {node.release for node in crowd.nodes}
                all_serve(control, release)
                assert body(port) == text
            before = [process.pid for process in real]
            control.stop()
            assert body(port) == "two"
            crowd.forget_reports()
            control.start()
            running.run(crowd.until_heard(deadline_s=DEADLINE_S), DEADLINE_S)
            all_serve(control, release)
            assert [process.pid for process in real if process.poll() is None] == before
        finally:
            running.run(crowd.stop())


def all_serve(control: ControlProcess, release: str | None) -> None:
    def served() -> bool:
        found = heard(control)
        return len(found) == SIMULATED + REAL and set(found.values()) == {release}

    wait_until(served, what=f"every node says that it serves {release}", deadline_s=DEADLINE_S)


def body(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return str(answer.read().decode())


def test_bundles_of_a_control_process_that_is_away_for_long_are_not_needed(
    control: ControlProcess, tmp_path: Path
) -> None:
    """Control is dead: traffic is served, and a node that starts anew serves from its disk."""
    port = free_port()
    joined(control, tmp_path, "real-0").close()
    home = tmp_path / "real-0"
    process = start_agent(home)
    try:
        apply(control, port, "kept")
        wait_until(lambda: heard(control).get("real-0") == "r1", what="r1", deadline_s=DEADLINE_S)
        control.kill()
        assert body(port) == "kept"
        # The agent dies without a word; Envoy serves on, and is adopted.
        process.kill()
        process.communicate(timeout=30)
        assert body(port) == "kept"
        (home / "node" / "xds.sock").unlink()  # left behind: it would tell of the one before
        process = start_agent(home)
        wait_until((home / "node" / "xds.sock").exists, what="the agent is back")
        assert body(port) == "kept"
        # The whole machine starts again: Envoy from the node's own disk.
        end_agent(process)
        process = start_agent(home)
        wait_until(partial(answers, port), what="Envoy serves from disk", deadline_s=DEADLINE_S)
        assert body(port) == "kept"
        # Control comes back: nothing was lost, and the next release goes its way.
        control.start()
        wait_until(
            lambda: heard(control).get("real-0") == "r1", what="heard", deadline_s=DEADLINE_S
        )
        apply(control, port, "next")
        wait_until(lambda: answers(port) == "next", what="the next", deadline_s=DEADLINE_S)
    finally:
        end_agent(process)


def answers(port: int) -> str:
    with contextlib.suppress(OSError):
        return body(port)
    return ""
