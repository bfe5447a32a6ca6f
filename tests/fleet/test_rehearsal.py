"""The gate's stage `clients` on a fleet, typed: one control, two nodes, each with a real Envoy."""

import http.client
import json
from pathlib import Path
from typing import Any

from fleet.machines import DEADLINE_S, Machines, seawall, staying
from fleet.test_why import wait_serves
from helpers import wait_until

FEW, MANY = 30, 100
"""Clients of the two nodes: those of the first are less than a quarter of all."""
HERS, HIS, NOBODYS = "127.1.0.0/16", "127.2.0.0/16", "203.0.113.0/24"


def site(machines: Machines, *denied: str) -> Path:
    """The site of the machines, with an address list in a file of its own.

    A file that serves is watched: written anew, it would be released by itself.
    """
    name = f"{'-'.join(network.replace('/', '.') for network in denied)}.txt"
    (machines.home / name).write_text("".join(f"{network}\n" for network in denied))
    path = machines.site("one")
    path.write_text(
        path.read_text().replace("    origin:", "    deny: bad\n    origin:")
        + f"lists: {{bad: {{file: {name}}}}}\n"
    )
    return path


def crowd(machines: Machines, node: Path, clients: int, second: int) -> None:
    """120 requests or more from so many addresses `127.SECOND.N.1`, until `node` has them."""
    requests = [number % clients for number in range(max(120, clients))]
    for number in requests:
        source = (f"127.{second}.{number}.1", 0)
        ask = http.client.HTTPConnection(
            "127.0.0.1", machines.http_port, timeout=10, source_address=source
        )
        ask.request("GET", "/")
        assert ask.getresponse().status == 200
        ask.close()
    log = node / "access" / "access.ndjson"
    wait_until(
        lambda: log.exists() and log.read_bytes().count(b"\n") >= len(requests),
        what="the records",
        deadline_s=DEADLINE_S,
    )


def diff(machines: Machines, config: Path, *, code: int = 0) -> dict[str, Any]:
    shown = seawall(
        *("diff", "--data-dir", machines.control, "--config", config, "--format", "json"), code=code
    )
    found: dict[str, Any] = json.loads(shown)["turned_away"]
    return found


def apply(machines: Machines, config: Path, *options: str, code: int = 0) -> dict[str, Any]:
    shown = seawall(
        *("apply", "--data-dir", machines.control, "--config", config, "--format", "json"),
        *options,
        code=code,
    )
    found: dict[str, Any] = json.loads(shown.splitlines()[-1])
    return found


def test_a_list_that_turns_away_the_clients_of_one_node_is_refused(machines: Machines) -> None:
    second = machines.home / "second"
    ours = ("node", "--data-dir", machines.node, "--concurrency", "1")
    with machines.run_control():
        machines.wait_control()
        line = machines.line()
        with staying(machines.home, *line, "--name", "edge-1", "--concurrency", "1"):
            machines.wait_connected()
            apply(machines, machines.site("one"))
            crowd(machines, machines.node, FEW, 1)
        other = [str(second) if word == str(machines.node) else word for word in machines.line()]
        with staying(machines.home, *other, "--name", "edge-2", "--concurrency", "1"):
            wait_serves(machines, "edge-2")
            wait_until(machines.answer, what="the other node serves", deadline_s=DEADLINE_S)
            crowd(machines, second, MANY, 2)
            with staying(machines.home, *ours):
                wait_serves(machines, "edge-1", "edge-2")
                wait_until(
                    lambda: diff(machines, site(machines, NOBODYS))["fleet"]["answered"] == 2,
                    what="both answer questions",
                    deadline_s=DEADLINE_S,
                )
                told_by_both(machines)
            told_by_one(machines)


def told_by_both(machines: Machines) -> None:
    found = diff(machines, site(machines, HERS), code=1)
    assert (found["code"], found["force"]) == ("clients-turned-away", "clients")
    assert found["fleet"] == {
        "nodes": 2,
        "asked": 2,
        "answered": 2,
        "missing": {},
        "missing_count": {},
    }
    [shop] = found["sites"]
    assert shop["share"] < 0.25, "of all clients together they are not too many"
    [hers, his] = shop["nodes"]
    assert (hers["node"], hers["clients"], hers["new_clients"]) == ("edge-1", FEW, FEW)
    assert (hers["over"], his["node"], his["over"]) == (True, "edge-2", False)
    assert (
        "30 of 30 clients (100%) that are let in now on node edge-1, judged by" in found["message"]
    )
    assert "By rule or list: bad (deny) 30." in found["message"]
    example = hers["rules"][0]["example"]
    why = seawall("why", example, "--data-dir", machines.control, "--format", "json")
    assert json.loads(why)["node"] == "edge-1", "the example can be asked about"

    refused = apply(machines, site(machines, HERS), code=1)
    assert (refused["stage"], refused["code"]) == ("clients", "clients-turned-away")
    assert "on node edge-1" in refused["message"]

    applied = apply(machines, site(machines, NOBODYS))
    assert not [note for note in applied["notes"] if "node" in note]
    release = applied["release"]["id"]
    shown = seawall("show", release, "--data-dir", machines.control, "--format", "json")
    [stage] = [step for step in json.loads(shown)["gate"] if step["stage"] == "clients"]
    assert stage["text"] == "1 site(s) looked at, with records of 2 of 2 node(s)"

    forced = apply(machines, site(machines, NOBODYS, HERS), "--force", "clients", "--dry-run")
    assert any(note.startswith("Forced past clients that are") for note in forced["notes"])


def told_by_one(machines: Machines) -> None:
    """One node is away: the other one is asked, and what is not known is said."""
    config = site(machines, HERS)
    wait_until(
        lambda: sorted(machines.connected()) == [False, True],
        what="edge-1 reports no more",
        deadline_s=DEADLINE_S,
    )
    wait_until(
        lambda: "silent" in diff(machines, config)["fleet"]["missing"],
        what="edge-1 is silent",
        deadline_s=DEADLINE_S,
    )
    found = diff(machines, config)
    assert (found["code"], found["fleet"]["asked"], found["fleet"]["answered"]) == ("", 1, 1)
    assert found["fleet"]["missing"] == {"silent": ["edge-1"]}
    tried = apply(machines, site(machines, HERS), "--dry-run")
    words = (
        "Nodes that sent their recent requests: 1 of 1 asked, of 2 in the fleet. Not connected "
        "here: "
    )
    assert words + "edge-1." in tried["notes"]
    refused = apply(machines, site(machines, HIS), code=1)
    assert "on node edge-2" in refused["message"]
