"""What a client may put into records: enough to know it by, and not the disk."""

import json

import pytest

from edge.bot_records import record
from edge.h2_client import GET, H2Client
from edge.serving import HOST, Serving, wait_until
from seawall.limits import (
    ACCESS_RECORD_PATH_SIZE_BYTES_MAX,
    ACCESS_RECORD_SIZE_BYTES_MAX,
    ACCESS_RECORD_VALUE_SIZE_BYTES_MAX,
)

LONGEST = 50_000


@pytest.mark.parametrize("name", [b"user-agent", b"x-forwarded-for"])
@pytest.mark.parametrize("text", [b"a", b'"', b"\xff"], ids=["plain", "quotes", "no-text"])
def test_a_request_with_a_long_header_is_found(edge: Serving, name: bytes, text: bytes) -> None:
    answer = edge.get(b"/", name + b": " + text * LONGEST)
    assert answer.status == 200
    found = record(edge, answer.header("x-request-id"))
    told = found.user_agent or found.forwarded_for
    assert told[:100] == text.decode("latin-1") * 100
    assert len(told) == ACCESS_RECORD_VALUE_SIZE_BYTES_MAX


def test_of_a_long_path_the_beginning_is_told(edge: Serving) -> None:
    answer = edge.get(b"/" + b"a" * LONGEST + b"?secret")
    assert record(edge, answer.header("x-request-id")).path == (
        "/" + "a" * (ACCESS_RECORD_PATH_SIZE_BYTES_MAX - 1)
    )


def test_few_bytes_over_http2_are_no_record_of_many(edge: Serving) -> None:
    path = edge.envoy.directory / "access.ndjson"
    long = [("user-agent", b"\xff" * 2_000)] * 25 + [("x-forwarded-for", b"1" * 1_500)] * 4
    asked = {**dict(GET), ":scheme": "http", ":authority": HOST.decode(), ":path": "/amplified"}
    with H2Client(edge.port) as client:
        for stream in (1, 3):
            frame = client.headers(stream, [*asked.items(), *long])  # type: ignore[list-item] - hpack takes bytes too
            client.send(frame)
            assert client.status(stream) == 200
    assert len(frame.data) < 100  # the second time: all of it is known to both

    def lines() -> list[bytes]:
        edge.envoy.admin("/reopen_logs", method="POST")
        return [one for one in path.read_bytes().splitlines() if b"/amplified" in one]

    wait_until(lambda: len(lines()) == 2, what="the records")
    for line in lines():
        assert json.loads(line)["path"] == "/amplified"
        assert len(line) < 8_000 < ACCESS_RECORD_SIZE_BYTES_MAX
