"""The client of the HTTP API: what the CLI calls. One method an operation, views as answers.

It is light on purpose (`seawall status` should answer at once): the views, and nothing of the
service. It reads answers leniently, because a newer control process may say more.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar
from urllib.parse import quote

from seawall import limits
from seawall.api import fleet_views, requests, status_views, views
from seawall.api.asked import AUTHOR_HEADER
from seawall.api.codec import from_json, to_json
from seawall.api.errors import error_from
from seawall.api.hand_client import HandCalls
from seawall.api.session import Answer, BrokenError, NobodyListensError, Session, SilentError
from seawall.errors import SeawallError, UnreachableError, UsageError
from seawall.site.sources import SourceSet
from seawall.sockets import short_path

View = TypeVar("View")
_TIMEOUT_S: Final = 30.0
_REDIRECT_STATUS_MIN: Final = 300
"""Control sends nobody elsewhere: whoever answers so is another server, a proxy mostly."""
_STREAM_SILENCE_S: Final = limits.APPLY_SERVE_TIMEOUT_S + limits.VALIDATE_TIMEOUT_S
"""Longest silence in the progress of an apply: its longest step."""


class Client(HandCalls):
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

    def health(self) -> status_views.HealthView:
        """Whether control and its store answer."""
        return self._get(status_views.HealthView, "/healthz")

    def check(self, sources: SourceSet, *, full: bool | None = False) -> views.CheckView:
        """Find the problems of a site file; with `full`, those that Envoy finds too."""
        body = requests.CheckRequest(requests.pack(sources), full=full)
        return self._post(views.CheckView, "/v1/check", body)

    def diff(self, sources: SourceSet, *, force: tuple[str, ...] = ()) -> views.DiffView:
        """What applying these sources would change."""
        body = requests.CheckRequest(requests.pack(sources), force)
        return self._post(views.DiffView, "/v1/diff", body)

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
    ) -> Iterator[views.ApplyEvent]:
        """Release these sources; yields progress and ends with `Applied` or `Refused`.

        Leaving the iterator early does not stop the apply.
        """
        packed = requests.pack(sources)
        body = requests.ApplyRequest(packed, message, author, dry_run, force, parent, break_glass)
        return self._stream("/v1/apply", body)

    def rollback(
        self,
        release: str | None = None,
        *,
        author: str = "",
        message: str = "",
        force: tuple[str, ...] = (),
        break_glass: str = "",
    ) -> Iterator[views.ApplyEvent]:
        """Serve an earlier release again; without one, the newest good one before the current."""
        body = requests.RollbackRequest(release, author, message, force, break_glass)
        return self._stream("/v1/rollback", body)

    def status(self) -> status_views.StatusView:
        """What serves, how it goes, and what is wrong."""
        return self._get(status_views.StatusView, "/v1/status")

    def releases(self, *, limit: int = 20, before: str = "") -> views.ReleasesView:
        """Releases, newest first; `before` continues below that release."""
        return self._get(
            views.ReleasesView, "/v1/releases", {"limit": str(limit), "before": before}
        )

    def show(self, release: str) -> views.ReleaseDetailView:
        """One release in full."""
        return self._get(views.ReleaseDetailView, f"/v1/releases/{_part(release)}")

    def why(self, request_id: str, *, node: str = "") -> status_views.WhyView:
        """The story of one request; of a fleet's nodes only `node` is asked, if one is named."""
        query = {"node": node} if node else {}
        return self._get(status_views.WhyView, f"/v1/why/{_part(request_id)}", query)

    def metrics(self) -> str:
        """Prometheus text."""
        return self._send("GET", "/v1/metrics").text

    def tokens(self) -> status_views.TokensView:
        """API tokens, without their values."""
        return self._get(status_views.TokensView, "/v1/tokens")

    def create_token(
        self, name: str, *, scopes: tuple[str, ...] = ("read",), ttl_s: float | None = None
    ) -> status_views.TokenCreated:
        """Make an API token; its value is in the answer and nowhere else."""
        body = {"name": name, "scopes": list(scopes), "ttl_s": ttl_s}
        return self._post(status_views.TokenCreated, "/v1/tokens", body)

    def join_token(
        self, node: str = "", groups: tuple[str, ...] = (), ttl_s: float = limits.JOIN_TOKEN_TTL_S
    ) -> fleet_views.JoinTokenView:
        """Make a join token; its text is in the answer and nowhere else."""
        body = fleet_views.JoinTokenRequest(node, groups, ttl_s)
        return self._post(fleet_views.JoinTokenView, "/v1/join-tokens", body)

    def nodes(self) -> fleet_views.FleetView:
        """Nodes of the fleet."""
        return self._get(fleet_views.FleetView, "/v1/nodes")

    def remove_node(self, name: str) -> fleet_views.NodeRemoved:
        """Believe a node no more."""
        answer = self._send("DELETE", f"/v1/nodes/{_part(name)}")
        return _view(fleet_views.NodeRemoved, answer)

    def revoke_token(self, token_id: str) -> status_views.TokenView:
        """Make an API token worthless."""
        answer = self._send("DELETE", f"/v1/tokens/{_part(token_id)}")
        return _view(status_views.TokenView, answer)

    def audit(self, *, limit: int = 50) -> status_views.AuditView:
        """Who did what, newest first."""
        return self._get(status_views.AuditView, "/v1/audit", {"limit": str(limit)})

    def close(self) -> None:
        """Let go of what it holds."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, kind: type[View], path: str, query: Mapping[str, str] | None = None) -> View:
        return _view(kind, self._send("GET", path, query=query))

    def _delete(self, kind: type[View], path: str) -> View:
        return _view(kind, self._send("DELETE", path))

    def _post(self, kind: type[View], path: str, body: object) -> View:
        return _view(kind, self._send("POST", path, body=body))

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

    def _stream(
        self, path: str, body: object, *, method: str = "POST"
    ) -> Iterator[views.ApplyEvent]:
        content = json.dumps(to_json(body)).encode()
        with (
            self._told_when_nobody_answers(),
            self._session.stream(
                method, path, content, timeout_s=_TIMEOUT_S, silence_s=_STREAM_SILENCE_S
            ) as (answer, lines),
        ):
            _raise_for(answer)
            ended = False
            for line in lines:
                event = _event(line)
                ended = ended or not isinstance(event, views.Progress)
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


def _part(text: str) -> str:
    return quote(text[: limits.API_NAME_LENGTH_CHARS_MAX], safe="", errors="replace")


def _event(line: str) -> views.ApplyEvent:
    with _of_control("something else"):
        return from_json(views.ApplyEvent, json.loads(line), strict=False)  # type: ignore[arg-type]  # - a union is no type to mypy


def _view(kind: type[View], answer: Answer) -> View:
    with _of_control(f"HTTP {answer.status} and an unknown body"):
        return from_json(kind, answer.json(), strict=False)


def _raise_for(answer: Answer) -> None:
    if answer.status < _REDIRECT_STATUS_MIN:
        return
    with _of_control(f"HTTP {answer.status}"):
        view = from_json(views.ErrorView, answer.json(), strict=False)
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
