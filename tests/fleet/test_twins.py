"""A copied data directory: control tells that two machines are one node, whoever polls."""

import shutil
from pathlib import Path
from random import Random

from fleet.crew import ControlProcess, joined, loop, memory_node
from helpers import wait_until
from seawall.api.status_views import NoticeView
from seawall.clock import SystemClock
from seawall.fleet.identity import Identity
from seawall.fleet.remote import FleetControl


def test_a_copied_data_directory_is_told(tmp_path: Path) -> None:
    control = ControlProcess(tmp_path / "control")

    def told() -> list[NoticeView]:
        with control.client() as client:
            return [one for one in client.status().notices if one.code == "node-twice"]

    try:
        control.start()
        wait_until(control.leads, what="control leads")
        way = joined(control, tmp_path, "edge-1")
        shutil.copytree(tmp_path / "edge-1", tmp_path / "copy" / "edge-1")
        copy = Identity(tmp_path / "copy" / "edge-1" / "identity")
        trusted = tmp_path / "copy" / "edge-1" / "node" / "trusted.pub"
        copied = FleetControl(copy, SystemClock(), Random(2), trusted=trusted)
        with loop() as nodes:
            both = [
                memory_node(way, tmp_path, "edge-1"),
                memory_node(copied, tmp_path / "copy", "edge-1"),
            ]
            nodes.at_end(way.close)
            nodes.at_end(copied.close)

            def take_turns(*lives: str) -> None:
                for number in range(6):
                    node = both[number % 2]
                    node.life = lives[number % 2]
                    node.notices = (f"news {number} of {lives}",)
                    nodes.run(node.say())

            take_turns("a" * 16, "a" * 16)
            assert not told(), "one process has one life, however it reaches control"
            take_turns("a" * 16, "b" * 16)
            [notice] = told()
            assert "node edge-1" in notice.text
    finally:
        control.stop()
