"""Control and a real node agent with a real Envoy, as two processes, through the API."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import warm_command
from api.world import sources
from daemon.test_control_process import control_process
from helpers import free_port, wait_until
from seawall.api.calls import is_running
from seawall.api.client import Client
from seawall.api.views import Applied, ApplyEvent, Refused
from seawall.site.sources import SourceSet


@contextmanager
def node_process(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The agent; it drains and ends its Envoy on the way out."""
    read_end, write_end = os.pipe()
    arguments = [sys.executable, "-P", "-m", "seawall.daemon.node", "--data-dir", str(data_dir)]
    process = warm_command.Popen(
        [*arguments, "--parent-fd", str(read_end), "--concurrency", "1"], pass_fds=(read_end,)
    )
    os.close(read_end)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        os.close(write_end)


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    data = tmp_path / "data"
    with control_process(data):
        wait_until(lambda: is_running(data), what="control answers")
        with node_process(data):
            yield data


def pong(port: int, body: str, extra: int = 0) -> SourceSet:
    more = f", 127.0.0.1:{extra}" if extra else ""
    return sources(f"""version: 1
listen:
  http: [127.0.0.1:{port}{more}]
sites:
  demo:
    hosts: ["*"]
    origin: http://127.0.0.1:9
    routes:
      - {{name: ping, path: /ping, respond: {{status: 200, body: {body}}}}}
""")


def end(client: Client, given: SourceSet) -> ApplyEvent:
    return list(client.apply(given, author="ann"))[-1]


def ping(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/ping").text


def test_apply_serves_and_rollback_serves_again_in_under_a_second(data_dir: Path) -> None:
    port = free_port()
    with Client.for_data_dir(data_dir) as client:
        first = end(client, pong(port, "one"))
        assert isinstance(first, Applied), first
        assert ping(port) == "one"
        second = end(client, pong(port, "two"))
        assert isinstance(second, Applied), second
        assert ping(port) == "two"
        back = list(client.rollback())[-1]
        assert isinstance(back, Applied), back
        assert ping(port) == "one"
        status = client.status()
        assert status.urls == (f"http://127.0.0.1:{port}",)
        assert status.nodes[0].listeners == (f"127.0.0.1:{port}",)


def test_what_only_a_running_envoy_can_refuse_is_told_with_its_place_and_undone(
    data_dir: Path,
) -> None:
    port = free_port()
    with Client.for_data_dir(data_dir) as client, socket.create_server(("127.0.0.1", 0)) as taken:
        assert isinstance(end(client, pong(port, "one")), Applied)
        extra = taken.getsockname()[1]
        refused = end(client, pong(port, "two", extra))
        assert isinstance(refused, Refused), refused
        assert (refused.stage, refused.release, refused.serving) == ("commit", "r2", "r1")
        assert refused.envoy[0].owner == f"listener http 127.0.0.1:{extra}"
        assert (Path(refused.envoy[0].file).name, refused.envoy[0].line) == ("seawall.yaml", 3)
        assert "in use" in refused.envoy[0].envoy_words
        assert ping(port) == "one"
        current = client.status().current
        assert current is not None
        assert current.id == "r1"
        taken.close()
        again = end(client, pong(port, "two", extra))
        assert isinstance(again, Applied), again
        assert ping(extra) == "two"


def test_the_edge_serves_while_control_is_killed_and_comes_back(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    with control_process(data) as (process, _):
        wait_until(lambda: is_running(data), what="control answers")
        with node_process(data):
            with Client.for_data_dir(data) as client:
                assert isinstance(end(client, pong(port, "one")), Applied)
            process.kill()
            process.wait(20)
            assert ping(port) == "one"
            with control_process(data):
                wait_until(lambda: is_running(data), what="control is back")
                with Client.for_data_dir(data) as client:
                    wait_until(lambda: client.status().nodes, what="the node reports again")
                    assert isinstance(end(client, pong(port, "two")), Applied)
                assert ping(port) == "two"
