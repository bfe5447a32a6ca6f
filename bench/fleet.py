"""`python -m bench.fleet`: how fast a release reaches a fleet, and how it comes back.

A real control process, and simulated nodes with real certificates and sockets in this process.
Both share the machine, so the figures are for two processes on it, network aside.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.crowd import Crowd
from seawall.api.calls import is_running
from seawall.api.client import Client
from seawall.errors import SeawallError
from seawall.site.sources import SourceFile, SourceSet

_DEADLINE_S = 120.0
_QUIET_S = 5
_MIB = 1 << 20


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000, help="simulated nodes (1,000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    options = parser.parse_args()
    print(f"| {options.nodes} simulated nodes | figure |\n|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="seawall-fleet-") as directory:
        found = asyncio.run(_measure(Path(directory), options.nodes))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


async def _measure(home: Path, count: int) -> "Figures":
    port = _free_port()
    control = await asyncio.to_thread(_start, home / "control", port)
    crowd = Crowd(home / "control", home / "nodes", ("127.0.0.1", port), count)
    found = Figures()
    try:
        began_s = time.monotonic()
        await crowd.start()
        await crowd.until_heard(deadline_s=_DEADLINE_S)
        found["all connected and heard, s"] = round(time.monotonic() - began_s, 1)
        for text in ("one", "two"):
            applying = asyncio.ensure_future(asyncio.to_thread(_apply, home / "control", text))
            generation = 1 + max(node.generation for node in crowd.nodes)
            await crowd.until(generation, deadline_s=_DEADLINE_S)
            await applying
            got = [_first(node.got_s, generation) for node in crowd.nodes]
            fetched = [_first(node.fetched_s, generation) for node in crowd.nodes]
            found[f"release {text}: first to last assignment, s"] = round(max(got) - min(got), 2)
            found[f"release {text}: all bundles fetched and checked, s"] = round(
                max(fetched) - min(got), 2
            )
        process = psutil.Process(control.pid)
        before_s = process.cpu_times().user
        await asyncio.sleep(_QUIET_S)
        found["control, CPU of one core in quiet, %"] = round(
            (process.cpu_times().user - before_s) / _QUIET_S * 100, 1
        )
        found["control, memory, MiB"] = round(process.memory_info().rss / _MIB)
        before_s = process.cpu_times().user
        asked_s = time.monotonic()
        searched = await asyncio.to_thread(_why_nobody_knows, home / "control")
        found["request that no node has: all nodes asked, s"] = round(time.monotonic() - asked_s, 2)
        found["request that no node has: nodes that answered in time"] = searched
        found["request that no node has: control, CPU time, s"] = round(
            process.cpu_times().user - before_s, 2
        )
        asked_s = time.monotonic()
        told = await asyncio.to_thread(_try_rules, home / "control")
        found["rules tried on nodes, s"] = round(time.monotonic() - asked_s, 2)
        found["rules tried on nodes: nodes that told what they have seen"] = told
        print("after", process.memory_info().rss / _MIB)
        await asyncio.to_thread(_end, control)
        crowd.forget_reports()
        control = await asyncio.to_thread(_start, home / "control", port)
        began_s = time.monotonic()
        await crowd.until_heard(deadline_s=_DEADLINE_S)
        found["control restarted: all nodes heard again, s"] = round(time.monotonic() - began_s, 1)
    finally:
        await crowd.stop()
        await asyncio.to_thread(_end, control)
    return found


class Figures(dict[str, float]):
    """Tells each figure when it is there."""

    def __setitem__(self, name: str, figure: float) -> None:
        super().__setitem__(name, figure)
        print(f"| {name} | {figure} |", flush=True)


def _first(times: dict[int, float], generation: int) -> float:
    return min(at for number, at in times.items() if number >= generation)


def _start(home: Path, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "seawall.daemon.control", "--data-dir", os.fspath(home)]
    process = subprocess.Popen(
        [*command, "--listen-nodes", f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL
    )
    while not is_running(home):
        if process.poll() is not None:
            raise SystemExit("control did not start")
        time.sleep(0.05)
    return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def _sources(text: str, more: str = "") -> SourceSet:
    path = "/etc/seawall/seawall.yaml"
    content = f"""version: 1
listen: {{http: 127.0.0.1:18090}}
rollout: {{steps: [], waves: [], bake: 1s}}
sites:
  shop:
    hosts: [shop.example.com]
    origin: http://127.0.0.1:9
    routes: [{{name: api, prefix: /{text}}}]
{more}"""
    return SourceSet(path, (SourceFile(path, content.encode()),))


def _apply(home: Path, text: str) -> None:
    with Client.for_data_dir(home) as client:
        for _ in client.apply(_sources(text), message=text, author="bench"):
            pass


def _try_rules(home: Path) -> int:
    """Compare with a site file that has a new bot rule; how many nodes told what they have seen."""
    rule = "    bots: {mode: enforce, rules: [{name: low, when: score <= 3, do: block}]}\n"
    with Client.for_data_dir(home) as client:
        view = client.diff(_sources("two", rule)).turned_away
    if view is None or view.fleet is None:
        raise SystemExit("no node was asked what it has seen")
    return view.fleet.answered


def _why_nobody_knows(home: Path) -> int:
    """Ask all nodes about a request; how many have searched."""
    with Client.for_data_dir(home) as client:
        try:
            client.why("nobody-has-this")
        except SeawallError as error:
            searched = error.message.partition("Searched: ")[2].partition(".")[0]
            hidden = re.search(r" and ([0-9]+) more$", searched)
            return searched.count("(") + (int(hidden[1]) if hidden else 0)
    raise SystemExit("somebody has a request that was never made")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
