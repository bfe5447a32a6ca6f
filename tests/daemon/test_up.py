import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from helpers import free_port, wait_until
from seawall import limits
from seawall.demo.website import running_website
from seawall_process import COMMAND, STOP_DEADLINE_S, Edge, seawall, seawall_up, site_file


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with running_website() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[Edge]:
    """One that lives through the tests that end none, in a directory with a long path."""
    deep = tmp_path_factory.mktemp("deep") / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    api = f"127.0.0.1:{free_port()}"
    with seawall_up(deep, origin, api=api) as edge:
        yield edge


def test_the_ready_event_comes_after_a_request_has_passed(lasting: Edge) -> None:
    ready = lasting.event("ready")
    assert ready["probe_status"] == 200
    assert ready["release"] == "r1"
    assert ready["urls"] == [f"http://127.0.0.1:{lasting.port}"]
    assert lasting.get()[0] == 200


def test_too_few_files_for_max_connections_are_told_at_start_and_in_status(
    tmp_path: Path, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_few_files = ("sh", "-c", 'ulimit -n 4096 && exec "$@"', "sh", *COMMAND)
    monkeypatch.setattr("seawall_process.COMMAND", with_few_files)
    with seawall_up(tmp_path, origin) as edge:
        told = [event["message"] for event in edge.events if event.get("event") == "note"]
        assert any("enough for about 2,048 connections, not for the 50,000" in m for m in told)
        assert any("enough for about 2,048 connections" in text for text in edge.notices())
        assert edge.json("status")["state"] in {"serving", "working"}


def test_a_long_path_of_the_data_directory_is_no_obstacle(lasting: Edge) -> None:
    assert len(str(lasting.data_dir)) > 120, "longer than the path of a socket may be"
    assert lasting.get()[0] == 200
    assert lasting.json("status")["state"] in {"serving", "working"}


def test_a_port_taken_at_apply_is_told_and_the_edge_does_not_notice(lasting: Edge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        text = site_file(lasting.port, lasting.origin).replace(
            f"http: 127.0.0.1:{lasting.port}",
            f"http: ['127.0.0.1:{lasting.port}', '127.0.0.1:{taken}']",
        )
        lasting.write(text=text)
        error = lasting.json("apply", code=1)["error"]
        assert error["code"] == "port-taken"
        assert f"127.0.0.1:{taken}" in error["message"]
        assert lasting.get()[0] == 200


def test_the_api_over_tcp_serves_the_command_line_with_a_token(lasting: Edge) -> None:
    token = lasting.json("token", "create", "remote", "--write")["token"]
    there = ("--url", f"http://{lasting.api}", "--token", token, "--format", "json")
    assert seawall("status", *there).returncode == 0
    lasting.write(more="    timeout: 25s\n")
    assert seawall("apply", "--config", str(lasting.config), *there).returncode == 0
    assert seawall("status", *there[:2], "--token", "wrong").returncode == 2
    nobody = ("--url", f"http://127.0.0.1:{free_port()}", "--token", token)
    assert seawall("status", *nobody).returncode == 3


def test_ctrl_c_while_applying_says_that_the_release_goes_on(lasting: Edge) -> None:
    newest = lasting.json("releases")["releases"][0]["id"]
    lasting.write(more="    timeout: 26s\n")
    # Who started the tests may have told them to ignore Ctrl-C, which a child would inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [*COMMAND, "apply", *lasting.where],
        cwd=lasting.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        signal.signal(signal.SIGINT, before)
        assert command.stderr is not None
        told = iter(command.stderr.readline, "")
        assert any("Start the rollout" in line for line in told)
        command.send_signal(signal.SIGINT)
        rest = "".join(told)
        assert command.wait(30) == 1
    assert "the release continues" in rest
    assert "seawall abort" in rest
    assert "Traceback" not in rest
    released = lasting.json("releases")["releases"][0]["id"]
    assert released == f"r{int(newest[1:]) + 1}"
    wait_until(
        lambda: (seen := lasting.status()) and seen.current and seen.current.id == released,
        what="it goes on",
        deadline_s=30,
    )


def test_ctrl_c_leaves_no_process_and_no_socket(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as edge:
        pids = [edge.pid(name) for name in ("up", "control", "node", "envoy")]
        assert edge.interrupt() == 0
        assert not [pid for pid in pids if psutil.pid_exists(pid) and not _zombie(pid)]
        assert not [path for path in edge.data_dir.rglob("*") if path.is_socket()]
        assert not list((edge.data_dir / "run").glob("*.json"))
        with pytest.raises(ConnectionRefusedError):
            edge.get()


def test_a_request_in_flight_may_finish_when_the_edge_stops(tmp_path: Path) -> None:
    released = threading.Event()
    with _slow_origin(released) as url, seawall_up(tmp_path, url) as edge:
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(edge.get("/slow")[0]))
        released.clear()
        asking.start()
        wait_until(_slow_origin.waiting.is_set, what="the origin has the request")
        edge.process.send_signal(signal.SIGINT)
        edge.event("stopping")
        released.set()
        asking.join(30)
        assert edge.process.wait(40) == 0
        assert answers == [200]


def test_down_stops_it_from_elsewhere(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as edge:
        done = seawall("down", "--data-dir", str(edge.data_dir))
        assert done.returncode == 0, done.stderr
        assert edge.process.wait(10) == 0


def test_envoy_is_ended_even_when_no_agent_is_there_to_do_it(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as edge:
        envoy = edge.part("envoy")
        assert envoy is not None
        edge.kill("node")
        assert edge.interrupt() == 0
        assert not envoy.alive()


def test_a_bad_first_file_is_told_and_nothing_is_left_running(tmp_path: Path, origin: str) -> None:
    text = site_file(free_port(), origin, more="    timeoutt: 1s\n")
    with seawall_up(tmp_path, origin, text=text, ready=False) as edge:
        refused = edge.event("refused")
        assert refused["problems"][0]["line"] == 7
        assert edge.process.wait(40) == 1
        assert not any(edge.part(name) for name in ("up", "control", "node", "envoy"))


def test_a_bad_first_file_is_told_in_words(tmp_path: Path, origin: str) -> None:
    (tmp_path / "seawall.yaml").write_text(site_file(free_port(), origin, more="    x: 1\n"))
    done = seawall("up", "--data-dir", "data", cwd=tmp_path)
    assert done.returncode == 1
    assert "seawall.yaml:7:5: error: " in done.stderr
    assert "Nothing serves yet." in done.stderr


def test_a_data_directory_that_cannot_be_written_is_told_in_words(
    tmp_path: Path, origin: str
) -> None:
    (tmp_path / "data" / "run" / "up.new").mkdir(parents=True)  # fails as on a full disk
    with seawall_up(tmp_path, origin, ready=False) as edge:
        assert edge.process.wait(60) == 3
        error = edge.error()
    assert error["code"] == "data-dir-not-written"
    assert "Free some space" in error["remedy"]


def test_a_missing_file_is_told_at_once(tmp_path: Path) -> None:
    done = seawall("up", cwd=tmp_path)
    assert done.returncode == 2
    assert "seawall init" in done.stderr
    assert not (tmp_path / "seawall-data").exists()


def test_two_edges_that_start_at_once_do_not_share_a_port(tmp_path: Path, origin: str) -> None:
    port = free_port()
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    with (
        seawall_up(tmp_path / "one", origin, port=port, ready=False) as one,
        seawall_up(tmp_path / "other", origin, port=port, ready=False) as other,
    ):
        ended = wait_until(
            lambda: [edge for edge in (one, other) if edge.process.poll() is not None],
            what="one of the two gives way",
            deadline_s=90,
        )
        error = ended[0].error()
    assert error["code"] == "port-taken"


def test_a_taken_port_names_the_listener_and_who_holds_it(tmp_path: Path, origin: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with seawall_up(tmp_path, origin, port=port, ready=False) as edge:
            assert edge.process.wait(60) == 1
            error = next(event["error"] for event in edge.events if event["event"] == "error")
    assert error["code"] == "port-taken"
    assert f"http listener 127.0.0.1:{port}" in error["message"]
    assert f"process {os.getpid()}" in error["message"]
    assert "listen: http:" in error["remedy"]


def test_killing_control_under_traffic_fails_no_request(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as edge:
        envoy, control = edge.pid("envoy"), edge.pid("control")
        with _traffic(edge) as failures:
            edge.kill("control")
            wait_until(
                lambda: edge.pid("control") != control and edge.status() is not None,
                what="control is back",
                deadline_s=30,
            )
        assert failures == []
        assert edge.pid("envoy") == envoy
        assert any("control ended" in e.get("message", "") for e in edge.events)


def test_a_command_waits_for_a_control_process_that_is_starting(
    tmp_path: Path, origin: str
) -> None:
    with seawall_up(tmp_path, origin, ready=False) as edge:
        assert edge.pid("up")
        assert edge.json("releases")["releases"] is not None
        edge.event("ready")
        edge.kill("control")
        assert edge.json("releases")["releases"][0]["id"] == "r1"


def test_killing_the_agent_leaves_envoy_to_the_next_one(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as edge:
        envoy, node = edge.pid("envoy"), edge.pid("node")
        with _traffic(edge) as failures:
            edge.kill("node")
            wait_until(
                lambda: edge.pid("node") != node and edge.agent() == edge.pid("node"),
                what="a new agent reports",
                deadline_s=30,
            )
        assert failures == []
        assert edge.pid("envoy") == envoy
        edge.write(more="    timeout: 21s\n")
        assert edge.json("apply")["changed"] is True


def test_killed_outright_envoy_serves_on_and_is_adopted(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as first:
        envoy = first.pid("envoy")
        with contextlib.ExitStack() as clients:
            stream = clients.enter_context(_stream(first))
            failures = clients.enter_context(_traffic(first))
            _kill_all_but_envoy(first)
            with seawall_up(tmp_path, origin, port=first.port) as second:
                assert second.pid("envoy") == envoy
                assert second.json("status")["nodes"][0]["envoy"]["pid"] == envoy
                _read_event(stream)
                second.write(more="    timeout: 22s\n")
                assert second.json("apply")["changed"] is True
                _read_event(stream)
                clients.close()  # an edge that stops lets a stream go on for a while
                assert failures == []


def test_down_stops_an_envoy_that_was_left_serving(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as edge:
        _kill_all_but_envoy(edge)
        assert edge.get()[0] == 200
        found = edge.run("status")
        assert found.returncode == 3
        assert f"Its Envoy (process {edge.pid('envoy')}) still serves" in found.stderr
        assert edge.run("down").returncode == 0
        assert edge.part("envoy") is None


def test_an_edge_that_is_left_serves_on_until_the_next_start(
    tmp_path: Path, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(f"\0seawall-test-{os.getpid()}")
    manager.settimeout(30)
    monkeypatch.setenv("NOTIFY_SOCKET", f"@seawall-test-{os.getpid()}")
    with manager, seawall_up(tmp_path, origin) as first:
        assert manager.recv(100) == b"READY=1"
        envoy = first.pid("envoy")
        with contextlib.ExitStack() as clients:
            stream = clients.enter_context(_stream(first))
            failures = clients.enter_context(_traffic(first))
            left = first.json("down", "--keep-serving")
            assert (left["stopped"], left["serving"]) == (True, [envoy])
            assert first.process.wait(STOP_DEADLINE_S) == 0
            first.reader.join(STOP_DEADLINE_S)
            assert [event["event"] for event in first.events][-2:] == ["leaving", "left"]
            assert manager.recv(100) == b"STOPPING=1"
            assert not any(first.part(name) for name in ("up", "control", "node"))
            again = first.json("down", "--keep-serving")
            assert (again["stopped"], again["serving"]) == (False, [envoy])
            with seawall_up(tmp_path, origin, port=first.port) as second:
                assert second.pid("envoy") == envoy
                _read_event(stream)
                clients.close()  # an edge that stops lets a stream go on for a while
                assert failures == []


def test_a_restart_serves_what_was_decided_or_else_what_served_before(
    tmp_path: Path, origin: str
) -> None:
    with seawall_up(tmp_path, origin) as edge:
        edge.write(more="    timeout: 23s\n")
        assert edge.json("apply")["changed"] is True
        assert edge.json("rollback", "r1")["changed"] is True
        # The file that was gone back from would be another release now, and is the same file.
        assert edge.json("kill", "compression")["release"]["id"] == "r3"
        assert edge.interrupt() == 0
    with seawall_up(tmp_path, origin, port=edge.port) as again:
        assert again.event("ready")["release"] == "r3", "a rollback is not undone"
        assert "was released earlier" in again.event("note")["message"]
        assert again.json("status")["current"]["id"] == "r3"
        assert again.interrupt() == 0
    edge.write(more="    nonsense: 1\n")
    with seawall_up(tmp_path, origin, port=edge.port) as again:
        assert again.event("ready")["release"] == "r3", "a bad file stops nothing"
        assert again.event("refused")["problems"]
        assert again.get()[0] == 200
        assert again.interrupt() == 0
    edge.write(more="    timeout: 24s\n")
    with seawall_up(tmp_path, origin, port=edge.port) as again:
        assert again.event("ready")["release"] == "r4", "a file changed meanwhile is released"
        assert again.interrupt() == 0
    for name in ("seawall.db", "seawall.db-wal"):
        (edge.data_dir / "control" / name).write_bytes(b"not a database" * 1000)
    with seawall_up(tmp_path, origin, port=edge.port, ready=False) as again:
        degraded = again.event("degraded")
        assert degraded["release"] == "r4", "a damaged store stops no traffic"
        assert "control process does not start" in degraded["message"]
        assert again.get()[0] == 200
        assert any("seawall.db" in e.get("message", "") for e in again.events), again.events
        assert again.process.poll() is None
        found = again.run("status")
        assert found.returncode == 3
        assert "the edge still serves" in found.stderr


def test_a_second_interrupt_does_not_wait_for_open_requests(tmp_path: Path, origin: str) -> None:
    with seawall_up(tmp_path, origin) as edge, _stream(edge) as stream:
        edge.process.send_signal(signal.SIGINT)
        edge.event("stopping")
        _read_event(stream)
        edge.process.send_signal(signal.SIGINT)
        assert edge.process.wait(limits.ENVOY_STOP_DRAIN_S) == 0
        assert edge.part("envoy") is None


def _zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _kill_all_but_envoy(edge: Edge) -> None:
    parts = [part for name in ("up", "control", "node") if (part := edge.part(name))]
    for part in parts:
        part.send(signal.SIGKILL)
    edge.process.wait(10)
    wait_until(lambda: not any(part.alive() for part in parts), what="the parts are gone")


class _traffic:  # noqa: N801 - reads as a function
    """Requests on connections of their own while inside the block; gives what failed."""

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._stop = threading.Event()
        self._failures: list[str] = []
        self._count = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> list[str]:
        self._thread.start()
        return self._failures

    def __exit__(self, *_: object) -> None:
        before = self._count
        wait_until(lambda: self._count > before or self._failures, what="traffic flows")
        self._stop.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                status, _, _ = self._edge.get()
                if status != 200:
                    self._failures.append(f"status {status}")
            except (OSError, http.client.HTTPException) as error:
                self._failures.append(repr(error))
            self._count += 1


class _slow_origin:  # noqa: N801 - reads as a function
    """Answers `/slow` only when it is released."""

    waiting = threading.Event()

    def __init__(self, released: threading.Event) -> None:
        released.set()
        type(self).waiting = threading.Event()
        self._released = released
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            request = connection.recv(65536)
            if b"GET /slow" in request:
                type(self).waiting.set()
                self._released.wait(30)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
            )


@contextlib.contextmanager
def _stream(edge: Edge) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", "/events")
        with contextlib.closing(connection.getresponse()) as answer:
            assert answer.status == 200
            _read_event(answer)
            yield answer


def _read_event(stream: http.client.HTTPResponse) -> None:
    assert stream.readline().startswith(b"data: event")
    assert stream.readline() == b"\n"
