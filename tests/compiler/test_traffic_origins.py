"""Origins by real traffic: pools, health, retries, timeouts, stickiness, WebSocket and gRPC."""

import asyncio
import contextlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import h2.config
import h2.connection
import h2.events
import pytest
from hyperframe.frame import DataFrame
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from compiler.build import edge, forward, origin, route, site
from compiler.served import served
from edge.h2_client import GET, H2Client
from envoy_harness import Origin, OriginRequest, RawClient, free_port, ok, wait_until
from seawall.model import (
    BalanceBy,
    CircuitBreaker,
    Endpoint,
    HealthCheck,
    LoadBalancing,
    OutlierEjection,
    PathPrefix,
    Retries,
    Timeouts,
    UpstreamProtocol,
)
from seawall.telemetry.records import parse_record
from seawall.telemetry.why import story

LOCAL = "127.0.0.1"
QUICK_CHECK = HealthCheck("/healthz", "health.test", 0.05, 0.5, 1, 1, 200, 299)


@contextlib.contextmanager
def _origins(count: int) -> Iterator[list[Origin]]:
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(Origin()) for _ in range(count)]
        for index, each in enumerate(started):
            name = str(index).encode()
            each.answer = lambda _, name=name: ok(name)  # type: ignore[misc] - bound per origin
        yield started


def test_endpoints_share_requests_by_weight() -> None:
    with _origins(2) as (one, two):
        endpoints = (Endpoint(LOCAL, one.port, 3), Endpoint(LOCAL, two.port, 1))
        app = origin("app", endpoints=endpoints)
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            bodies = [running.get("/").body for _ in range(40)]
    assert 28 <= bodies.count(b"0") <= 32


def test_the_backup_serves_only_while_the_first_pool_is_down() -> None:
    with _origins(2) as (first, backup):
        healthy = True
        usual = first.answer

        def answer(request: OriginRequest) -> bytes:
            if request.target == b"/healthz":
                return ok() if healthy else ok(status="503 Down")
            answered = usual(request)
            assert isinstance(answered, bytes)
            return answered

        first.answer = answer
        endpoints = (Endpoint(LOCAL, first.port), Endpoint(LOCAL, backup.port, backup=True))
        app = origin("app", endpoints=endpoints, health_check=QUICK_CHECK)
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            assert [running.get("/").body for _ in range(5)] == [b"0"] * 5
            healthy = False
            wait_until(lambda: running.get("/").body == b"1", what="the backup takes over")
            assert [running.get("/").body for _ in range(5)] == [b"1"] * 5
            healthy = True
            wait_until(lambda: running.get("/").body == b"0", what="the first pool is back")
    probe = next(r for r in first.requests if r.target == b"/healthz")
    assert probe.values("host") == [b"health.test"]


def test_an_endpoint_goes_down_only_after_as_many_failed_probes_in_a_row() -> None:
    with _origins(2) as (first, backup):
        bad, probes = 0, 0
        usual = first.answer

        def answer(request: OriginRequest) -> bytes:
            nonlocal bad, probes
            if request.target != b"/healthz":
                answered = usual(request)
                assert isinstance(answered, bytes)
                return answered
            probes += 1
            bad = max(bad - 1, 0)
            return ok(status="503 Down") if bad else ok()

        first.answer = answer
        endpoints = (Endpoint(LOCAL, first.port), Endpoint(LOCAL, backup.port, backup=True))
        check = replace(QUICK_CHECK, up_count=2, down_count=3)
        app = origin("app", endpoints=endpoints, health_check=check)
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            wait_until(lambda: running.get("/").body == b"0", what="the first pool is up")
            bad, seen = 3, probes  # two of them fail
            while probes < seen + 5:
                assert running.get("/").body == b"0"
            bad = 1_000
            wait_until(lambda: running.get("/").body == b"1", what="the backup takes over")


def test_an_unhealthy_origin_is_still_tried_when_nothing_else_is_left() -> None:
    with contextlib.ExitStack() as stack:
        app = stack.enter_context(
            Origin(lambda r: ok(status="503 No") if r.target == b"/healthz" else ok())
        )
        sick = origin("app", app.port, health_check=QUICK_CHECK)
        running = stack.enter_context(served(edge(http=(free_port(),), origins=(sick,))))
        unhealthy = "cluster.app.health_check.failure"
        wait_until(lambda: running.envoy.stats().get(unhealthy, 0) > 1, what="checks failed")
        assert running.get("/").status == 200


def test_an_endpoint_that_keeps_failing_is_ejected() -> None:
    with _origins(2) as (bad, good):
        bad.answer = lambda _: ok(status="500 Oops")
        ejection = OutlierEjection(3, 0.1, 30.0, 0.5)
        app = origin("app", bad.port, good.port, outlier_ejection=ejection)
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            for _ in range(12):
                running.get("/")
            assert [running.get("/").status for _ in range(6)] == [200] * 6


def test_a_good_probe_does_not_end_the_rest_of_an_endpoint_that_fails_requests() -> None:
    with _origins(2) as (bad, good):
        probes = 0

        def answer(request: OriginRequest) -> bytes:
            nonlocal probes
            probed = request.target == b"/healthz"
            probes += probed
            return ok() if probed else ok(status="500 Oops")

        bad.answer = answer
        app = origin(
            "app",
            bad.port,
            good.port,
            outlier_ejection=OutlierEjection(3, 0.1, 30.0, 0.5),
            health_check=QUICK_CHECK,
        )
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            active = "cluster.app.outlier_detection.ejections_active"

            def rests() -> bool:
                running.get("/")
                return running.envoy.stats(active).get(active, 0) == 1

            wait_until(rests, what="the bad endpoint rests")
            seen = probes
            wait_until(lambda: probes >= seen + 3, what="good probes")
            assert running.envoy.stats(active)[active] == 1


def test_a_retry_goes_to_another_endpoint() -> None:
    with _origins(1) as (good,):
        app = origin("app", free_port(), good.port)
        retrying = route(action=forward(retries=Retries(2, ("connect-failure",))))
        with served(edge(site("shop", retrying), http=(free_port(),), origins=(app,))) as running:
            answers = [running.get("/") for _ in range(8)]
            attempts = {running.record_of(answer)["attempts"] for answer in answers}
    assert {answer.status for answer in answers} == {200}
    assert 2 in attempts


async def _never(_: OriginRequest) -> bytes:
    await asyncio.Event().wait()
    return b""


@pytest.mark.parametrize(
    ("timeouts", "status"), [(Timeouts(0.2, 60, 0), 504), (Timeouts(0, 0.2, 0), 504)]
)
def test_a_silent_origin_times_out(timeouts: Timeouts, status: int) -> None:
    with Origin(_never) as app:
        slow = site("shop", route(action=forward(timeouts=timeouts)))
        app_origin = origin("app", app.port)
        with served(edge(slow, http=(free_port(),), origins=(app_origin,))) as running:
            response = running.get("/")
            assert response.status == status
            assert running.record_of(response)["route"] == "shop/all"


@contextlib.contextmanager
def _slow_origin(parts: int, pause_s: float) -> Iterator[int]:
    """Its answer begins at once, and has as many more parts, each after a pause; its port."""
    gone = threading.Event()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % parts)
            for _part in range(parts):
                gone.wait(pause_s)
                connection.sendall(b"x")

    with socket.create_server((LOCAL, 0)) as listener:
        answering = threading.Thread(target=answer, args=(listener,))
        answering.start()
        try:
            yield listener.getsockname()[1]
        finally:
            gone.set()
            answering.join(30)


@pytest.mark.parametrize(
    ("timeouts", "whole", "flags"),
    [
        pytest.param(Timeouts(0.3, 60, 0), True, "-", id="begun in time, it may last"),
        pytest.param(Timeouts(0, 60, 0.3), True, "-", id="so may that of one attempt"),
        pytest.param(Timeouts(0.3, 60, 0, 0.5), False, "UT", id="but not over the total"),
    ],
)
def test_an_answer_that_has_begun_is_bounded_in_all_only_where_a_site_says_so(
    timeouts: Timeouts, whole: bool, flags: str
) -> None:
    with _slow_origin(10, 0.1) as port:
        slow = site("shop", route(action=forward(timeouts=timeouts)))
        with served(edge(slow, http=(free_port(),), origins=(origin("app", port),))) as running:
            if whole:
                assert running.get("/").body == b"x" * 10
            else:
                with pytest.raises(EOFError, match="connection closed"):
                    running.get("/")
            [record] = running.records(1)
    assert (record["status"], record["flags"]) == (200, flags)
    if not whole:
        told = parse_record(json.dumps(record).encode())
        assert told is not None
        assert "within the route's total_timeout, so it was cut off" in str(story(told))


def test_each_attempt_has_its_own_bound() -> None:
    with Origin(_never) as app:
        timeouts = Timeouts(30.0, 60.0, 0.1)
        retries = Retries(1, ("gateway-error",))
        action = forward(timeouts=timeouts, retries=retries)
        with served(
            edge(
                site("shop", route(action=action)),
                http=(free_port(),),
                origins=(origin("app", app.port),),
            )
        ) as running:
            assert running.get("/").status == 504
    assert len(app.requests) == 2


def test_a_full_circuit_breaker_refuses_at_once() -> None:
    breaker = CircuitBreaker(1, 1, 1)
    with contextlib.ExitStack() as stack:
        app = stack.enter_context(Origin(_never))
        full = origin("app", app.port, circuit_breaker=breaker)
        running = stack.enter_context(served(edge(http=(free_port(),), origins=(full,))))
        for waiting in ("upstream_rq_active", "upstream_rq_pending_active"):
            client = stack.enter_context(socket.create_connection((LOCAL, running.port)))
            client.sendall(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n")
            stat = f"cluster.app.{waiting}"
            wait_until(lambda s=stat: running.envoy.stats().get(s) == 1, what=stat)  # type: ignore[misc] - bound here
        response = running.get("/")
        assert response.status == 503
        assert "UO" in running.record_of(response)["flags"]


@pytest.mark.parametrize(
    ("by", "key", "same"),
    [
        (BalanceBy.HASH_CLIENT_IP, "", ()),
        (BalanceBy.HASH_HEADER, "x-user", ("x-user: ada",)),
        (BalanceBy.HASH_COOKIE, "sid", ("cookie: sid=ada",)),
    ],
)
def test_hashing_keeps_a_client_on_one_endpoint(
    by: BalanceBy, key: str, same: tuple[str, ...]
) -> None:
    with _origins(4) as pool:
        app = origin("app", *(o.port for o in pool), load_balancing=LoadBalancing(by, key))
        with served(edge(http=(free_port(),), origins=(app,))) as running:
            assert len({running.get("/", headers=same).body for _ in range(12)}) == 1
            if by is BalanceBy.HASH_HEADER:
                others = {running.get("/", headers=(f"x-user: {i}",)).body for i in range(40)}
                assert len(others) == 4
            if by is BalanceBy.HASH_COOKIE:
                made = running.get("/").header("set-cookie") or ""
                assert made.startswith("seawall-endpoint="), "sid is the application's to set"
                again = (f"cookie: {made.partition(';')[0]}",)
                assert len({running.get("/", headers=again).body for _ in range(12)}) == 1


@pytest.mark.parametrize(("own", "heard"), [(True, [b"/a/c", b"/b"]), (False, [b"/a/b/c"])])
def test_clients_share_connections_unless_each_has_its_own(own: bool, heard: list[bytes]) -> None:
    """A login of a connection (NTLM) is that of whoever asks on it next."""
    with Origin() as app:
        behind = origin("app", app.port, own_connections=own)
        with (
            served(edge(http=(free_port(),), origins=(behind,))) as running,
            RawClient(running.port) as one,
            RawClient(running.port) as other,
        ):
            for client, path in ((one, b"/a"), (other, b"/b"), (one, b"/c")):
                client.send(b"GET %s HTTP/1.1\r\nhost: shop.test\r\n\r\n" % path)
                assert client.response().status == 200
        asked = [re.findall(rb"GET (/\w)", bytes(connection)) for connection in app.connections]
    assert [b"".join(paths) for paths in asked] == heard


def test_a_dns_name_is_resolved() -> None:
    with Origin() as app:
        named = origin("app", endpoints=(Endpoint("localhost", app.port),))
        with served(edge(http=(free_port(),), origins=(named,))) as running:
            assert running.get("/").status == 200


def _echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@pytest.fixture
def echo_port() -> Iterator[int]:
    with serve(_echo, LOCAL, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(10)


def test_a_websocket_echoes_and_outlives_the_request_timeout(echo_port: int) -> None:
    action = forward(websocket=True, timeouts=Timeouts(0.3, 60, 0), body_size_bytes_max=100)
    shop = site("shop", route("shop/ws", PathPrefix("/ws"), action), route())
    app = origin("app", echo_port)
    with (
        served(edge(shop, http=(free_port(),), origins=(app,))) as running,
        connect(
            f"ws://shop.test:{running.port}/ws",
            sock=socket.create_connection((LOCAL, running.port)),
        ) as client,
    ):
        for _ in range(20):
            client.send("x" * 50)
            assert client.recv(timeout=10) == "x" * 50
        closed = "http.http.downstream_rq_time"
        assert closed
        ended = threading.Event()
        assert not ended.wait(0.6)
        client.send("still here")
        assert client.recv(timeout=10) == "still here"


def test_an_upgrade_is_refused_where_the_route_does_not_allow_it(echo_port: int) -> None:
    app = origin("app", echo_port)
    upgrade = (
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    with served(edge(http=(free_port(),), origins=(app,))) as running:
        assert running.get("/", headers=upgrade).status == 403


class GrpcOrigin:
    """An h2c origin that answers one message and trailers to each stream."""

    def __init__(self) -> None:
        self.socket = socket.create_server((LOCAL, 0))
        self.port = self.socket.getsockname()[1]
        self.headers: list[dict[bytes, bytes]] = []
        self.trailers: list[dict[bytes, bytes]] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.socket.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._serve(self.socket.accept()[0])

    def _serve(self, connection: socket.socket) -> None:
        h2_side = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        h2_side.initiate_connection()
        connection.sendall(h2_side.data_to_send())
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                for event in h2_side.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        self.headers.append(dict(event.headers))
                    elif isinstance(event, h2.events.TrailersReceived):
                        self.trailers.append(dict(event.headers))
                    elif isinstance(event, h2.events.StreamEnded):
                        self._answer(h2_side, event.stream_id)
                connection.sendall(h2_side.data_to_send())

    @staticmethod
    def _answer(h2_side: h2.connection.H2Connection, stream: int) -> None:
        h2_side.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        h2_side.send_data(stream, b"\0\0\0\0\x02hi")
        h2_side.send_headers(stream, [("grpc-status", "0")], end_stream=True)


@pytest.fixture
def grpc_origin() -> Iterator[GrpcOrigin]:
    running = GrpcOrigin()
    yield running
    running.close()


def test_grpc_passes_with_its_trailers(grpc_origin: GrpcOrigin) -> None:
    import grpc  # noqa: PLC0415 - only this test needs it

    call = route("shop/grpc", PathPrefix("/pkg.Service/"), forward(grpc=True))
    app = origin("app", grpc_origin.port, protocol=UpstreamProtocol.HTTP2)
    with served(edge(site("shop", call), http=(free_port(),), origins=(app,))) as running:
        options = (("grpc.default_authority", "shop.test"),)
        with grpc.insecure_channel(f"{LOCAL}:{running.port}", options=options) as channel:
            assert channel.unary_unary("/pkg.Service/Get")(b"hello", timeout=10) == b"hi"
        record = running.records(1)[0]
        assert (record["protocol"], record["grpc_status"]) == ("HTTP/2", "OK")
    assert grpc_origin.headers[0][b"te"] == b"trailers"
    assert b"grpc-timeout" in grpc_origin.headers[0]


def test_what_only_http2_can_say_reaches_no_http2_origin(grpc_origin: GrpcOrigin) -> None:
    """Trailers would say what no client may say in a header; and a scheme that is not theirs."""
    app = origin("app", grpc_origin.port, protocol=UpstreamProtocol.HTTP2)
    asked = {**dict(GET), ":scheme": "https", ":method": "POST"}
    said = [("x-forwarded-for", "192.0.2.9"), ("x-seawall-score", "99"), ("other", "1")]
    with served(edge(http=(free_port(),), origins=(app,))) as running:
        for stream, body in ((1, b""), (3, b"body")):
            with H2Client(running.port) as client:
                client.send(client.headers(stream, asked.items(), end=False))
                client.send(DataFrame(stream, body), client.headers(stream, said))
                assert client.status(stream) == 200
    assert [seen[b":method"] for seen in grpc_origin.headers] == [b"POST", b"POST"]
    assert [seen[b":scheme"] for seen in grpc_origin.headers] == [b"http", b"http"]
    assert grpc_origin.trailers == []


def test_a_grpc_deadline_is_enforced_by_the_edge() -> None:
    import grpc  # noqa: PLC0415 - only this test needs it

    call = route("shop/grpc", action=forward(grpc=True, timeouts=Timeouts(0.2, 60, 0)))
    with Origin(_never) as app:
        app_origin = origin("app", app.port)
        with served(
            edge(site("shop", call), http=(free_port(),), origins=(app_origin,))
        ) as running:
            options = (("grpc.default_authority", "shop.test"),)
            with grpc.insecure_channel(f"{LOCAL}:{running.port}", options=options) as channel:
                with pytest.raises(grpc.RpcError) as caught:
                    channel.unary_unary("/pkg.Service/Get")(b"hello", timeout=20)
                assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            record = running.records(1)[0]
            assert (record["status"], record["grpc_status"]) == (200, "DEADLINE_EXCEEDED")
