"""`seawall why` on a fleet, typed: one control, two nodes, each with a real Envoy."""

import json
import urllib.request
from pathlib import Path
from typing import Any

from fleet.machines import DEADLINE_S, Machines, seawall, staying
from helpers import wait_until
from seawall.api.client import Client
from seawall.telemetry.records import find


def request_of(machines: Machines, node: Path) -> str:
    """Ask the edge once; the id of the request, once `node` has recorded it."""
    url = f"http://127.0.0.1:{machines.http_port}/?secret"
    with urllib.request.urlopen(url, timeout=10) as answer:
        request_id = str(answer.headers["x-request-id"])
    log = node / "access" / "access.ndjson"
    wait_until(
        lambda: log.exists() and request_id in log.read_text(),
        what="the record",
        deadline_s=DEADLINE_S,
    )
    assert find(log, request_id).request_id == request_id
    return request_id


def told(request_id: str, data_dir: Path, *options: str) -> dict[str, Any]:
    shown = seawall("why", request_id, "--data-dir", data_dir, "--format", "json", *options)
    found: dict[str, Any] = json.loads(shown)
    return found


def wait_serves(machines: Machines, *names: str) -> None:
    def serve() -> bool:
        with Client.for_data_dir(machines.control) as client:
            nodes = {node.name: node for node in client.nodes().nodes}
        return all(nodes[n].connected and nodes[n].release for n in names if n in nodes)

    wait_until(serve, what=f"{names} serve", deadline_s=DEADLINE_S)


def test_control_finds_a_request_on_the_node_that_served_it(machines: Machines) -> None:
    second = machines.home / "second"
    with machines.run_control():
        machines.wait_control()
        refused = seawall("why", "nowhere", "--data-dir", machines.control, code=1)
        assert "the fleet has no nodes to ask" in refused
        with staying(machines.home, *machines.line(), "--name", "edge-1", "--concurrency", "1"):
            machines.wait_connected()
            seawall("apply", "--data-dir", machines.control, "--config", machines.site("one"))
            ours = request_of(machines, machines.node)

            view = told(ours, machines.control)
            assert (view["node"], view["also"], view["request_id"]) == ("edge-1", [], ours)
            assert view["story"][0].startswith("The record is from node edge-1.")
            assert "Release r1 served." in view["story"]
            assert any("gave it; it is the model that Seawall ships" in s for s in view["story"])
            assert told(ours, machines.control, "--node", "edge-1") == view
            assert "no node 'edge-7'" in seawall(
                "why", ours, "--node", "edge-7", "--data-dir", machines.control, code=1
            )
            assert "not a request id" in seawall(
                "why", "no id!", "--data-dir", machines.control, code=2
            )

            line = [str(second) if word == str(machines.node) else word for word in machines.line()]
            with staying(machines.home, *line, "--name", "edge-2", "--concurrency", "1"):
                wait_until(lambda: len(machines.connected()) == 2, what="it", deadline_s=DEADLINE_S)
                wait_serves(machines, "edge-1", "edge-2")
                missing = seawall("why", "nowhere", "--data-dir", machines.control, code=1)
                assert "[request-not-found]" in missing
                assert "Searched: edge-1 (records since 20" in missing
                assert "edge-2 (no records)" in missing
                assert "deleted with the oldest" in missing

        # The first node and its Envoy are gone; the second one is back from its own disk.
        with staying(machines.home, "node", "--data-dir", second, "--concurrency", "1"):
            wait_until(machines.answer, what="Envoy from disk", deadline_s=DEADLINE_S)
            theirs = request_of(machines, second)
            wait_serves(machines, "edge-2")
            assert told(theirs, machines.control)["node"] == "edge-2"
            unknown = seawall("why", ours, "--data-dir", machines.control, code=3)
            assert "[request-not-known]" in unknown
            assert "Searched: edge-2 (records since" in unknown
            assert "It is unknown whether edge-1 has it." in unknown


def test_on_the_machine_of_a_node_it_is_told_as_far_as_the_node_knows(machines: Machines) -> None:
    with machines.run_control():
        machines.wait_control()
        with staying(machines.home, *machines.line(), "--name", "edge-1", "--concurrency", "1"):
            machines.wait_connected()
            seawall("apply", "--data-dir", machines.control, "--config", machines.site("one"))
            ours = request_of(machines, machines.node)
            view = told(ours, machines.node)
            assert view["node"] == "edge-1"
            assert view["story"][0] == (
                "Node edge-1 answers from its own records only. Control, at 127.0.0.1:"
                f"{machines.nodes_port}, also knows the bot model and the policy: run the command "
                "there to include them."
            )
            assert "Release r1 served." in view["story"]
            missing = seawall("why", "nowhere", "--data-dir", machines.node, code=1)
            assert "Node edge-1 has no record of request nowhere" in missing
            assert f"control, at 127.0.0.1:{machines.nodes_port}, asks all nodes" in missing
            other = seawall("why", ours, "--node", "edge-2", "--data-dir", machines.node, code=2)
            assert "This machine is node edge-1" in other
            status = seawall("status", "--data-dir", machines.node, code=3)
            assert "holds only node edge-1 of a fleet" in status
