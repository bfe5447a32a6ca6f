"""The page docs/fleet.md, typed: control and a node as people run them, with a real Envoy."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from fleet.machines import DEADLINE_S, Machines, seawall, staying
from helpers import free_port, wait_until
from seawall.daemon.processes import envoys
from small_disk import small_disk

PAGE = Path(__file__).parents[2] / "docs" / "fleet.md"


def test_two_machines_become_an_edge_and_each_may_go_away(machines: Machines) -> None:
    with machines.run_control():
        machines.wait_control()
        line = machines.line("--group", "canary")
        with staying(machines.home, *line, "--name", "edge-1", "--concurrency", "1"):
            machines.wait_connected()
            seawall("apply", "--data-dir", machines.control, "--config", machines.site("one"))
            assert machines.answer() == "one"
            [node] = machines.nodes()
            assert (node["name"], node["groups"], node["release"]) == ("edge-1", ["canary"], "r1")
            # Joining again while it runs: the running node takes the new certificate up.
            again = machines.line("--name", "edge-1")
            assert "picks this up by itself" in seawall(*again)
            seawall("apply", "--data-dir", machines.control, "--config", machines.site("two"))
            assert machines.answer() == "two"
            seawall("nodes", "remove", "edge-1", "--data-dir", machines.control)
            assert machines.nodes() == []
            status = seawall("status", "--data-dir", machines.control, code=1)
            assert "edge-1" not in status
            assert machines.answer() == "two"
        assert envoys(machines.node) == ()
        # Joined once, it starts without a token; removed, it serves what it has.
        with staying(machines.home, "node", "--data-dir", machines.node, "--concurrency", "1"):
            wait_until(machines.answer, what="Envoy from disk", deadline_s=DEADLINE_S)
            assert machines.answer() == "two"


def test_control_that_is_started_again_by_its_parent_finds_its_node(machines: Machines) -> None:
    with machines.run_control():
        run_file = machines.control / "run" / "control.json"
        machines.wait_control()
        with staying(machines.home, *machines.line(), "--name", "edge-1", "--concurrency", "1"):
            machines.wait_connected()
            pid = int(json.loads(run_file.read_text())["pid"])
            os.kill(pid, signal.SIGKILL)
            wait_until(
                lambda: int(json.loads(run_file.read_text())["pid"]) != pid,
                what="a new control process",
                deadline_s=DEADLINE_S,
            )
            machines.wait_connected()
            seawall("apply", "--data-dir", machines.control, "--config", machines.site("one"))
            wait_until(lambda: machines.answer() == "one", what="it", deadline_s=DEADLINE_S)


@pytest.mark.parametrize("disk", ["full", "ro"])
def test_a_node_starts_from_a_disk_that_takes_no_writes(machines: Machines, disk: str) -> None:
    """And is heard, and takes a new release where there is memory for one."""
    with small_disk(machines.node) as own, machines.run_control():
        machines.wait_control()
        with staying(machines.home, *machines.line(), "--name", "edge-1", "--concurrency", "1"):
            machines.wait_connected()
            seawall("apply", "--data-dir", machines.control, "--config", machines.site("one"))
        if disk == "full":
            own.fill()
        else:
            own.remount("ro")
        with staying(machines.home, "node", "--data-dir", machines.node, "--concurrency", "1"):
            wait_until(machines.answer, what="Envoy from disk", deadline_s=DEADLINE_S)
            assert machines.answer() == "one"
            machines.wait_connected()
            if disk == "ro":
                seawall("apply", "--data-dir", machines.control, "--config", machines.site("two"))
                assert machines.answer() == "two"
        said = (machines.home / "out").read_text()
        assert (
            "No space left on device"
            if disk == "full"
            else "accepts no new files: Read-only file system"
        ) in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("node", "--data-dir", "nowhere"), "has not joined a fleet"),
        (("node", "--join", "x", "--control", "a:1"), "That is not a join token"),
        (("node", "--join", "x"), "--join needs the address of control"),
        (("node", "--mirror", "ftp://x"), "not the URL of a mirror"),
        (("control", "--listen-nodes", "7443"), "not HOST:PORT"),
        (("control", "--config", "missing.yaml"), "There is no site file"),
    ],
)
def test_what_makes_no_sense_is_said_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in seawall(*arguments, code=2)


def test_a_control_that_listens_for_no_nodes_says_so(machines: Machines) -> None:
    with staying(machines.home, "control", "--data-dir", machines.control):
        machines.wait_control()
        shown = seawall("token", "join", "--data-dir", machines.control, code=2)
        assert "--listen-nodes" in shown
        shown = seawall("token", "join", "--data-dir", machines.control, "--ttl", "soon", code=2)
        assert "not a duration" in shown


def test_a_control_whose_database_is_away_is_no_riddle(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("SEAWALL_DATABASE", f"postgresql://seawall:hunter2@{nobody}/seawall")
    with machines.run_control():
        wait_until(
            (machines.control / "run" / "up.json").exists, what="parent", deadline_s=DEADLINE_S
        )
        said = seawall("status", "--data-dir", machines.control, code=3)
    assert "[control-restarting]" in said
    assert f"PostgreSQL does not answer for the store postgresql://seawall:***@{nobody}" in said
    assert "hunter2" not in said


def test_every_option_of_the_page_exists() -> None:
    helps = {
        command: seawall(*command.split(), "--help")
        for command in ("control", "node", "token join", "nodes remove", "nodes list")
    }
    table = re.findall(r"^\| `([a-z ]+) (--[a-z-]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert len(table) >= 8
    for command, option in table:
        assert option in helps[command], (command, option)
