"""The node's way to control, against answers that control would never give."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from seawall.daemon.control_http import HttpControl
from seawall.errors import NotFoundError, UnreachableError
from seawall.fleet import client
from seawall.ids import Digest, Generation, NodeName
from seawall.rollout.ports import Coming
from seawall.sockets import listen_private

DIGEST = Digest("ab" * 32)
NODE = NodeName("local")


def exchange(
    path: Path, answer: bytes, ask: Callable[[HttpControl], Awaitable[Any]]
) -> tuple[Any, bytes]:
    """What `ask` gets, and the head that was sent, with a control that says `answer`."""

    async def story() -> tuple[Any, bytes]:
        heads: list[bytes] = []
        done = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            writer.close()
            done.set()

        async with await asyncio.start_unix_server(serve, sock=listen_private(path)):
            result = await ask(HttpControl(path))
            await done.wait()
        return result, heads[0]

    return asyncio.run(story())


def http(status: int, body: bytes, *fields: str) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status} x", f"content-length: {len(body)}", *fields))
    return head.encode() + b"\r\n\r\n" + body


def test_a_bundle_comes_as_its_bytes(tmp_path: Path) -> None:
    answer = http(200, b"\x00\xffbundle")
    body, head = exchange(tmp_path / "c.sock", answer, lambda control: control.bundle(DIGEST))
    assert body == b"\x00\xffbundle"
    assert head.startswith(f"GET /v1/node/bundles/{DIGEST} HTTP/1.1\r\n".encode())


def test_no_content_is_no_assignment(tmp_path: Path) -> None:
    found, head = exchange(
        tmp_path / "c.sock", http(204, b""), lambda c: c.assignment(NODE, Generation(7), 0.5)
    )
    assert found is None
    assert b"/v1/node/local/assignment?known=7&wait_s=0.5 " in head


def test_no_content_may_say_that_a_change_is_coming(tmp_path: Path) -> None:
    answer = http(204, b"", "X-Seawall-Coming: 1")
    found, _ = exchange(
        tmp_path / "c.sock", answer, lambda c: c.assignment(NODE, Generation(7), 0.5)
    )
    assert found == Coming()


def test_an_assignment_may_say_more_than_this_node_knows(tmp_path: Path) -> None:
    told = {"release": "r3", "digest": DIGEST, "generation": 8, "bake_s": 5.0, "mood": "good"}
    answer = http(200, json.dumps(told).encode())
    found, _ = exchange(
        tmp_path / "c.sock", answer, lambda c: c.assignment(NODE, Generation(7), 0.5)
    )
    assert (found.release, found.generation) == ("r3", 8)


def test_what_control_has_not_got_is_not_found(tmp_path: Path) -> None:
    answer = http(404, json.dumps({"code": "no-bundle", "message": "No such bundle."}).encode())
    with pytest.raises(NotFoundError) as caught:
        exchange(tmp_path / "c.sock", answer, lambda control: control.bundle(DIGEST))
    assert caught.value.code == "no-bundle"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        http(200, b"not json"),
        http(500, b"oops"),
        http(503, json.dumps({"code": "busy", "message": "Later."}).encode()),
        http(200, b'"another shape"'),
        http(200, b'"' + b"x" * 100_000 + b'"'),
    ],
)
def test_every_other_answer_means_not_now(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(UnreachableError):
        exchange(tmp_path / "c.sock", answer, lambda c: c.assignment(NODE, Generation(0), 0.1))


def test_a_control_that_does_not_answer_is_left_after_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_POLL_SLACK_S", 0.05)
    listener = listen_private(tmp_path / "c.sock")
    try:
        with pytest.raises(UnreachableError) as caught:
            asyncio.run(HttpControl(tmp_path / "c.sock").assignment(NODE, Generation(0), 0.01))
    finally:
        listener.close()
    assert "TimeoutError" in caught.value.detail
