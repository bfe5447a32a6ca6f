"""An origin's DNS outage as an operator meets it: `seawall up`, commands, status and metrics."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dns_server import Zone, serving
from helpers import free_port, wait_until
from seawall.demo.website import running_website
from seawall_process import Edge, seawall, seawall_up, site_file

NAME = "api.shop.test."


@contextmanager
def zone_beside() -> Iterator[Zone]:
    """A DNS server in a thread of its own, where the origin's name has the address 127.0.0.1."""
    zone, loop = Zone(), asyncio.new_event_loop()
    zone.add(NAME, "A", "127.0.0.1", ttl=1)
    up, down = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving(zone):
            up.set()
            await down.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert up.wait(10)
    try:
        yield zone
    finally:
        loop.call_soon_threadsafe(down.set)
        thread.join(10)
        loop.close()


@contextmanager
def edge_by_name(directory: Path, zone: Zone) -> Iterator[Edge]:
    conf = directory / "resolv.conf"
    conf.write_text(f"nameserver [127.0.0.1]:{zone.port}\n")
    with running_website() as origin:
        port, url = free_port(), f"http://{NAME[:-1]}:{origin}"
        options = ("--resolv-conf", str(conf))
        with seawall_up(directory, url, port=port, options=options) as edge:
            yield edge


def test_changes_and_kill_switches_pass_while_the_name_is_gone(tmp_path: Path) -> None:
    with zone_beside() as zone, edge_by_name(tmp_path, zone) as edge:
        assert edge.get()[0] == 200
        zone.records.clear()
        told = "Origin name api.shop.test: no such name since"
        wait_until(
            lambda: any(told in text for text in edge.notices()), what="it is told", deadline_s=60
        )
        edge.write(more="    routes: [{name: new, path: /new, respond: {body: new}}]\n")
        applied = edge.run("apply")
        assert applied.returncode == 0, applied.stdout + applied.stderr
        assert edge.run("kill", "compression").returncode == 0
        assert edge.get()[0] == 200
        os.kill(edge.pid("envoy"), signal.SIGKILL)
        wait_until(lambda: _answers(edge), what="Envoy is back", deadline_s=30)
        wait_until(lambda: edge.run("status").returncode == 0, what="its node has said so")
        [node] = edge.json("status")["nodes"]
        assert node["names"]["stale"] == 1
        assert node["names"]["names"][0]["addresses"] == ["127.0.0.1"]
        with edge.client() as client:
            metrics = client.metrics()
        assert 'seawall_dns_names_stale{node="local"} 1.0' in metrics
        assert 'seawall_dns_up{node="local"} 1.0' in metrics


def test_a_file_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "seawall.yaml").write_text(site_file(free_port(), "http://127.0.0.1:1"))
    done = seawall("up", "--resolv-conf", "none", cwd=tmp_path)
    assert done.returncode == 2
    assert "The file none that --resolv-conf names cannot be read" in done.stderr


def _answers(edge: Edge) -> bool:
    try:
        return edge.get()[0] == 200
    except OSError:
        return False
