"""HTTP/2: one connection may waste its own time only. Others are served meanwhile."""

import contextlib
from collections.abc import Callable

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from edge.h2_client import GET, Fields, H2Client, flood
from edge.serving import Serving, request

BURSTS = 200
POST = tuple((k, "POST" if k == ":method" else v) for k, v in GET)


def connect(edge: Serving, *, tls: bool = True, receive_window: int = 1 << 20) -> H2Client:
    context = edge.authority.client(alpn=("h2",)) if tls else None
    return H2Client(edge.tls_port if tls else edge.port, tls=context, receive_window=receive_window)


def changed(name: str, value: str) -> Fields:
    return [(key, value if key == name else old) for key, old in GET]


def without(name: str) -> Fields:
    return [field for field in GET if field[0] != name]


def with_more(*fields: tuple[str, str]) -> Fields:
    return [*GET, *fields]


def _repeated(frame: Frame) -> Callable[[H2Client, int], bytes]:
    return lambda _client, _number: frame.serialize() * 500


def _rapid_reset(client: H2Client, number: int) -> bytes:
    streams = range(3 + 100 * number, 103 + 100 * number, 2)
    return b"".join(
        client.headers(stream).serialize() + RstStreamFrame(stream, error_code=8).serialize()
        for stream in streams
    )


def _streams_over_the_limit(client: H2Client, number: int) -> bytes:
    streams = range(3 + 100 * number, 103 + 100 * number, 2)
    return b"".join(client.headers(stream, POST, end=False).serialize() for stream in streams)


def _continuation(client: H2Client, number: int) -> bytes:
    if number == 0:
        return HeadersFrame(3, client.block(GET)).serialize()
    names = [f"x-{number}-{index}" for index in range(20)]
    return b"".join(
        ContinuationFrame(3, client.block([(name, "a" * 100)])).serialize() for name in names
    )


def _empty_continuation(client: H2Client, number: int) -> bytes:
    if number == 0:
        return HeadersFrame(3, client.block(GET)).serialize()
    return ContinuationFrame(3, b"").serialize() * 500


def _empty_data(client: H2Client, number: int) -> bytes:
    start = client.headers(3, POST, end=False).serialize() if number == 0 else b""
    return start + DataFrame(3, b"").serialize() * 500


def _window_updates_on_a_stream(client: H2Client, number: int) -> bytes:
    start = client.headers(3, POST, end=False).serialize() if number == 0 else b""
    return start + WindowUpdateFrame(3, window_increment=1).serialize() * 500


FLOODS: dict[str, Callable[[H2Client, int], bytes]] = {
    "rapid reset": _rapid_reset,
    "streams over the limit": _streams_over_the_limit,
    "ping": _repeated(PingFrame(0, opaque_data=b"12345678")),
    "settings": _repeated(SettingsFrame(settings={SettingsFrame.HEADER_TABLE_SIZE: 4096})),
    "window update": _repeated(WindowUpdateFrame(0, window_increment=1)),
    "window update on a stream": _window_updates_on_a_stream,
    "priority": _repeated(PriorityFrame(1, depends_on=0, stream_weight=1)),
    "reset of a closed stream": _repeated(RstStreamFrame(1)),
    "empty data": _empty_data,
    "continuation": _continuation,
    "empty continuation": _empty_continuation,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_its_connection_and_nobody_elses(edge: Serving, name: str) -> None:
    with connect(edge) as attacker, edge.client(tls=True) as innocent, connect(edge) as other:
        assert attacker.get(1) == 200
        streams = iter(range(1, 10_000, 2))

        def others_are_served() -> None:
            innocent.send(request().replace(b"connection: close\r\n", b""))
            assert innocent.response().status == 200
            assert other.get(next(streams)) == 200

        flood(attacker, FLOODS[name], bursts=BURSTS, between=others_are_served)
        attacker.refusal()
        assert attacker.closed
        others_are_served()


BROKEN_FRAMES = {
    "data on an idle stream": DataFrame(99, b"a").serialize(),
    "a frame over the size limit": b"\x01\x00\x00\x01\x04\x00\x00\x00\x03" + b"a" * 65536,
    "window overflow": WindowUpdateFrame(0, window_increment=0x7FFFFFFF).serialize(),
    "window update of zero": b"\0\0\4\x08\0\0\0\0\0\0\0\0\0",
    "push promise": b"\0\0\4\5\4\0\0\0\1\0\0\0\2",
    "headers on an even stream": b"\0\0\1\1\5\0\0\0\2\x82",
    "headers that are no HPACK": b"\0\0\4\1\5\0\0\0\3\xff\xff\xff\xff",
    "a header table index far away": b"\0\0\3\1\5\0\0\0\3\xff\xff\x0f",
}


def test_frames_that_break_the_protocol_end_the_connection(edge: Serving) -> None:
    with contextlib.ExitStack() as connections:
        attackers = {name: connections.enter_context(connect(edge)) for name in BROKEN_FRAMES}
        for name, attacker in attackers.items():
            assert attacker.get(1) == 200
            attacker.raw(BROKEN_FRAMES[name])
        edge.assert_serves()
        for name, attacker in attackers.items():
            attacker.refusal()
            assert attacker.closed, name


MALFORMED: dict[str, Fields] = {
    "upper-case name": with_more(("X-A", "b")),
    "underscore": with_more(("x_a", "b")),
    "colon in a name": with_more(("a:b", "c")),
    "space in a name": with_more(("a b", "c")),
    "CRLF in a value": with_more(("x-a", "a\r\nb: c")),
    "NUL in a value": with_more(("x-a", "a\0b")),
    "connection": with_more(("connection", "close")),
    "te other than trailers": with_more(("te", "gzip")),
    "transfer-encoding": with_more(("transfer-encoding", "chunked")),
    "content-length without a body": with_more(("content-length", "5")),
    "no method": without(":method"),
    "no path": without(":path"),
    "no scheme": without(":scheme"),
    "no authority": without(":authority"),
    "two paths": [*GET, (":path", "/b")],
    "two authorities": [*GET, (":authority", "other.test")],
    "pseudo header after a header": [*GET[:3], ("a", "b"), GET[3]],
    "unknown pseudo header": [(":foo", "x"), *GET],
    "status in a request": [(":status", "200"), *GET],
    "empty path": changed(":path", ""),
    "a request line in the path": changed(":path", "/a HTTP/1.1\r\nx: y"),
    "a request line in the method": changed(":method", "GET /x HTTP/1.1"),
    "line feed in the path": changed(":path", "/a\nb"),
    "space in the authority": changed(":authority", "shop.test x"),
    "too many headers": with_more(*((f"x-{n}", "a") for n in range(150))),
    "too many cookies": with_more(*(("cookie", "a=b") for _ in range(150))),
    "too large headers": with_more(*((f"x-{n}", "a" * 6_000) for n in range(12))),
    "too large by compression": with_more(*[("x-bomb", "b" * 3_500)] * 90),
}


def test_malformed_requests_get_no_answer_of_an_origin(edge: Serving) -> None:
    with contextlib.ExitStack() as connections:
        attackers = {name: connections.enter_context(connect(edge)) for name in MALFORMED}
        for name, attacker in attackers.items():
            attacker.send(*_split(attacker.headers(1, MALFORMED[name])))
        for name, attacker in attackers.items():
            assert attacker.status(1) in {None, 400, 431}, name
    edge.assert_origin_untouched()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (changed(":authority", "unknown.test"), 421),
        (changed(":authority", "shop.test,a.wild.test"), 400),
        ([*changed(":authority", "unknown.test"), ("host", "shop.test")], 421),
        (changed(":path", "/a%2fb"), 400),
        (changed(":path", "/a#b"), 400),
        (changed(":path", "/a/..;/private"), 403),
        (changed(":method", "TRACE"), 405),
        ([(":method", "CONNECT"), (":authority", "shop.test:443")], 404),
        ([(":method", "CONNECT"), (":protocol", "websocket"), *GET[1:]], 403),
    ],
)
def test_the_rules_of_http1_hold_on_http2(edge: Serving, fields: Fields, status: int) -> None:
    with connect(edge) as client:
        assert client.get(1, fields) == status
    edge.assert_origin_untouched()


def test_authority_wins_over_a_different_host_and_the_origin_sees_one(edge: Serving) -> None:
    with connect(edge) as client:
        assert client.get(1, with_more(("host", "unknown.test"))) == 200
    assert edge.origin.requests[0].values("host") == [b"shop.test"]


def test_scheme_is_what_the_connection_is_and_steering_headers_are_dropped(edge: Serving) -> None:
    with connect(edge) as client:
        fields = [*changed(":scheme", "http"), ("x-envoy-retry-on", "5xx"), ("x-seawall-a", "b")]
        assert client.get(1, fields) == 200
    (seen,) = edge.origin.requests
    assert seen.values("x-forwarded-proto") == [b"https"]
    assert not any(name.startswith(("x-envoy-", "x-seawall-")) for name in seen.names)


def test_cleartext_http2_is_served_with_the_same_rules(edge: Serving) -> None:
    with connect(edge, tls=False) as client:
        assert client.get(1, changed(":scheme", "http")) == 200
        assert client.get(3, [*changed(":scheme", "http"), ("x_a", "b")]) in {None, 400}


def _split(frame: HeadersFrame) -> list[Frame]:
    """The block in frames of at most 16 KiB, as a client must send it."""
    size = 16_000
    data = frame.data
    if len(data) <= size:
        return [frame]
    first = HeadersFrame(frame.stream_id, data[:size])
    first.flags.add("END_STREAM")
    parts = [data[start : start + size] for start in range(size, len(data), size)]
    rest = [ContinuationFrame(frame.stream_id, part) for part in parts]
    rest[-1].flags.add("END_HEADERS")
    return [first, *rest]
