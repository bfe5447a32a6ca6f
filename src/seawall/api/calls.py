"""How a client of the HTTP API calls an operation, and the one that is called most: `apply`.

It is light on purpose: a command that applies a site file is waited for, so that nothing is loaded
for it before its request is on the way. What reads answers is loaded while control works.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar
from urllib.parse import quote

from seawall import limits
from seawall.api import requests
from seawall.api.asked import AUTHOR_HEADER
from seawall.api.codec import from_json, to_json
from seawall.api.session import (
    Answer,
    BrokenError,
    NobodyListensError,
    Sent,
    Session,
    SilentError,
)
from seawall.errors import SeawallError, UnreachableError, UsageError
from seawall.site.sources import SourceSet
from seawall.sockets import short_path

if TYPE_CHECKING:
    from seawall.api.views import ApplyEvent

View = TypeVar("View")
_TIMEOUT_S: Final = 30.0
_REDIRECT_STATUS_MIN: Final = 300
"""Control sends nobody elsewhere: whoever answers so is another server, a proxy mostly."""
_STREAM_SILENCE_S: Final = limits.APPLY_SERVE_TIMEOUT_S + limits.VALIDATE_TIMEOUT_S
"""Longest silence in the progress of an apply: its longest step."""


class Calls:
    """A connection to one control process; use as a context manager, or close it.

    Make one with `for_data_dir` (Unix socket) or `for_url` (TCP with a token).
    Every method raises the kind of `SeawallError` that the service raised, or
    `UnreachableError` when nobody answers.
    """

    def __init__(
        self,
        session: Session,
        *,
        nobody: UnreachableError,
        stack: ExitStack,
    ) -> None:
        self._session = session
        self._nobody = nobody
        self._stack = stack

    @classmethod
    def for_data_dir(cls, data_dir: Path) -> Self:
        """Talk to the control process of a data directory.

        Raises:
            UnreachableError: there is no such directory.
        """
        nobody = UnreachableError(
            "not-running",
            f"Seawall is not running for the data directory {data_dir}.",
            remedy="Start it with `seawall up`, or name the right directory with --data-dir.",
        )
        stack = ExitStack()
        try:
            address = stack.enter_context(short_path(data_dir / "control.sock"))
        except OSError as error:
            raise nobody from error
        session = Session.over_unix_socket(address)
        return cls(session, nobody=nobody, stack=stack)

    @classmethod
    def for_url(cls, url: str, token: str) -> Self:
        """Talk to a control process over TCP, for example `http://127.0.0.1:7070`.

        Raises:
            UsageError: that is no such URL, or the token cannot be one.
        """
        token = token.strip()  # the end of a line, of a file that holds one
        if not (token.isascii() and token.isprintable()):
            raise UsageError(
                "bad-token",
                "The API token is not valid: it contains a line break or a non-ASCII character.",
                remedy="Use it exactly as `seawall token create` printed it.",
            )
        nobody = UnreachableError(
            "no-answer",
            f"Nothing answers at {url}.",
            remedy="Check the address, and that the control process was started with --api.",
        )
        headers = {"authorization": f"Bearer {token}"}
        try:
            session = Session.over_tcp(url, headers)
        except ValueError as error:
            raise UsageError(
                "bad-api-url",
                f"{url} is not the URL of an API.",
                remedy="Write http://HOST:PORT or https://HOST:PORT, such as http://127.0.0.1:9180.",
            ) from error
        return cls(session, nobody=nobody, stack=ExitStack())

    def speak_for(self, author: str) -> None:
        """Name who asks, also where a request has no place for it: the audit log tells it."""
        self._session.say_always(AUTHOR_HEADER, quote(author, safe=" ()"))

    def apply(
        self,
        sources: SourceSet,
        *,
        message: str = "",
        author: str = "",
        dry_run: bool = False,
        force: tuple[str, ...] = (),
        parent: str = "",
        break_glass: str = "",
    ) -> Iterator["ApplyEvent"]:
        """Release these sources; yields progress and ends with `Applied` or `Refused`.

        It has been asked for when this returns. Leaving the iterator does not stop it.
        """
        packed = requests.pack(sources)
        body = requests.ApplyRequest(packed, message, author, dry_run, force, parent, break_glass)
        return self._stream("/v1/apply", body)

    def close(self) -> None:
        """Let go of what it holds."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, kind: type[View], path: str, query: Mapping[str, str] | None = None) -> View:
        return view_of(kind, self._send("GET", path, query=query))

    def _delete(self, kind: type[View], path: str) -> View:
        return view_of(kind, self._send("DELETE", path))

    def _post(self, kind: type[View], path: str, body: object) -> View:
        return view_of(kind, self._send("POST", path, body=body))

    def _send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> Answer:
        content = None if body is None else json.dumps(to_json(body)).encode()
        with self._told_when_nobody_answers():
            answer = self._session.send(
                method, path, timeout_s=_TIMEOUT_S, query=query, body=content
            )
        _raise_for(answer)
        return answer

    def _stream(self, path: str, body: object, *, method: str = "POST") -> Iterator["ApplyEvent"]:
        content = json.dumps(to_json(body)).encode()
        with self._told_when_nobody_answers():
            sent = self._session.begin(
                method, path, content, timeout_s=_TIMEOUT_S, silence_s=_STREAM_SILENCE_S
            )
        return self._events(sent)

    def _events(self, sent: Sent) -> Iterator["ApplyEvent"]:
        from seawall.api.views import Progress  # noqa: PLC0415 - while control works

        with self._told_when_nobody_answers(), sent.lines() as (answer, lines):
            _raise_for(answer)
            ended = False
            for line in lines:
                event = _event(line)
                ended = ended or not isinstance(event, Progress)
                yield event
        if not ended:
            raise UnreachableError(
                "lost-control",
                "The connection to the control process was lost before this release ended.",
                remedy="The edge still serves, and the release may have succeeded: see `seawall "
                "status`.",
            )

    @contextmanager
    def _told_when_nobody_answers(self) -> Iterator[None]:
        try:
            yield
        except NobodyListensError as error:
            raise self._nobody from error
        except SilentError as error:
            raise UnreachableError(
                "control-silent",
                "The control process did not answer in time.",
                remedy="The edge still serves. See logs/control.log in the data directory.",
            ) from error
        except BrokenError as error:
            raise UnreachableError(
                "lost-control",
                "The connection to the control process broke.",
                remedy="The edge still serves. See `seawall status`, then try again.",
                detail=str(error),
            ) from error


def _event(line: str) -> "ApplyEvent":
    from seawall.api.views import ApplyEvent  # noqa: PLC0415 - while control works

    with _of_control("something else"):
        return from_json(ApplyEvent, json.loads(line), strict=False)  # type: ignore[arg-type]  # - a union is no type to mypy


def view_of(kind: type[View], answer: Answer) -> View:
    """What an answer says."""
    with _of_control(f"HTTP {answer.status} and an unknown body"):
        return from_json(kind, answer.json(), strict=False)


def _raise_for(answer: Answer) -> None:
    if answer.status < _REDIRECT_STATUS_MIN:
        return
    from seawall.api.errors import error_from  # noqa: PLC0415 - of an answer
    from seawall.api.views import ErrorView  # noqa: PLC0415 - the same

    with _of_control(f"HTTP {answer.status}"):
        view = from_json(ErrorView, answer.json(), strict=False)
    raise error_from(view, answer.status)


@contextmanager
def _of_control(said: str) -> Iterator[None]:
    """What is read in the block is an answer of control's, or whoever said it is another server.

    Raises:
        UnreachableError: it is.
    """
    try:
        yield
    except (ValueError, RecursionError, SeawallError) as error:
        raise UnreachableError(
            "bad-answer",
            f"The server that answered is not a Seawall control process: it sent {said}.",
            remedy="Use the address that you gave to `--api`, not an address of the edge.",
        ) from error


def is_running(data_dir: Path) -> bool:
    """Whether a control process accepts connections on the socket of `data_dir`."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            with short_path(data_dir / "control.sock") as address:
                probe.settimeout(1.0)
                probe.connect(address)
        except OSError:
            return False
    return True
