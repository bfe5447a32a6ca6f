"""The commands' own HTTP: what can go wrong is told apart, and lines are read as they come."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seawall.api.session import BrokenError, NobodyListensError, Session, SilentError

LONG_S = 10.0
SHORT_S = 0.05


@contextmanager
def answering(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[Session]:
    """A server that reads one request and lets `answer` say something."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(1)

        def serve() -> None:
            client, _ = listening.accept()
            with client:
                client.recv(65536)
                answer(client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Session.over_unix_socket(str(path))
        finally:
            thread.join(LONG_S)


def test_a_whole_answer_has_its_status_and_json(tmp_path: Path) -> None:
    said = b"HTTP/1.1 409 Conflict\r\ncontent-length: 10\r\n\r\n" + b'{"a": "b"}'
    with answering(tmp_path / "s", lambda client: client.sendall(said)) as session:
        answer = session.send("GET", "/v1/x", timeout_s=LONG_S, query={"limit": "1"})
    assert (answer.status, answer.json()) == (409, {"a": "b"})


def test_lines_are_given_as_they_come(tmp_path: Path) -> None:
    first_was_read = threading.Event()

    def answer(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        client.sendall(b"6\r\nfirst\n\r\n")
        assert first_was_read.wait(LONG_S)
        client.sendall(b"7\r\nsecond\n\r\n0\r\n\r\n")

    with answering(tmp_path / "s", answer) as session:
        sent = session.begin("POST", "/", b"{}", timeout_s=LONG_S, silence_s=LONG_S)
        with sent.lines() as (told, lines):
            assert told.status == 200
            assert next(lines) == "first"
            first_was_read.set()
            assert list(lines) == ["second"]


def test_nobody_listens(tmp_path: Path) -> None:
    session = Session.over_unix_socket(str(tmp_path / "none"))
    with pytest.raises(NobodyListensError):
        session.send("GET", "/", timeout_s=LONG_S)


def test_silence_ends_at_the_bound(tmp_path: Path) -> None:
    done = threading.Event()
    with answering(tmp_path / "s", lambda _: done.wait(LONG_S) and None) as session:
        with pytest.raises(SilentError):
            session.send("GET", "/", timeout_s=SHORT_S)
        done.set()


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"]
)
def test_what_breaks_off_or_is_no_http_is_broken(tmp_path: Path, said: bytes) -> None:
    with (
        answering(tmp_path / "s", lambda client: client.sendall(said)) as session,
        pytest.raises(BrokenError),
    ):
        session.send("GET", "/", timeout_s=LONG_S)


@pytest.mark.parametrize("url", ["", "127.0.0.1:7070", "ftp://host", "http://", "http://a..b"])
def test_a_url_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - its message is the URL, looked at next
        Session.over_tcp(url, {})
    assert str(refused.value) == url
