"""A small, bounded client of Envoy's admin interface over its Unix socket.

Every answer is bounded in size and time. The admin socket can stop Envoy, so its path is private
(mode 0600) and this module is the only one that speaks to it.
It decides nothing: what the numbers mean is said in `stats` and `windows`.

https://www.envoyproxy.io/docs/envoy/latest/operations/admin
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from seawall.errors import UnreachableError
from seawall.exchange import exchange
from seawall.limits import (
    ADMIN_RESPONSE_SIZE_BYTES_MAX,
    ADMIN_TIMEOUT_S,
    ENVOY_MESSAGE_LENGTH_CHARS_MAX,
)

ADMIN_LATE: Final = "envoy-admin-late"
"""The code of an answer that did not come in time: Envoy may be well, and the machine busy."""
_STATUS_OK: Final = 200
_REMEDY: Final = "See `seawall status`. If Envoy has died, the node agent restarts it."


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What Envoy says of itself.

    Attributes:
        version: for example `1.40.0`.
        state: `LIVE`, `DRAINING`, `PRE_INITIALIZING` or `INITIALIZING`.
        uptime_s: seconds since this process started (across a hot restart: this epoch), by the
            wall clock; 0 when that was set back to before the start.
        node_id: the id Envoy was started with.
    """

    version: str
    state: str
    uptime_s: float
    node_id: str


class AdminClient:
    """Speaks to one Envoy. Every method raises `UnreachableError` when Envoy does not answer.

    Args:
        path: the admin socket; may be longer than a socket address holds.
        timeout_s: bound of one whole request.
    """

    def __init__(self, path: Path, *, timeout_s: float = ADMIN_TIMEOUT_S) -> None:
        self._path = path
        self._timeout_s = timeout_s

    async def server_info(self) -> ServerInfo:
        """Version, state and uptime (`/server_info`)."""
        info = _object(await self.get("/server_info"), "/server_info")
        version = str(info.get("version", "")).split("/")
        node = info.get("node")
        return ServerInfo(
            version=version[1] if len(version) > 1 else "",
            state=str(info.get("state", "")),
            uptime_s=max(0.0, _seconds(info.get("uptime_current_epoch"))),
            node_id=str(node.get("id", "")) if isinstance(node, Mapping) else "",
        )

    async def ready(self) -> bool:
        """Whether Envoy serves: False while it initialises or drains (`/ready`)."""
        status, _ = await self.request("GET", "/ready")
        return status == _STATUS_OK

    async def stats_text(self, *, stats_filter: str) -> bytes:
        """Counters, gauges and histogram summaries as text; `stats_filter` is an RE2 regex."""
        return await self.get("/stats", {"filter": stats_filter})

    async def http_gauge(self, name: str) -> int:
        """A gauge of all HTTP connection managers together, but for admin's own."""
        # Not `server.total_connections`: Envoy sets that one only every 5 s (stats flush).
        text = await self.stats_text(stats_filter=rf"^http\..*\.{name}$")
        counts = dict(line.split(b":") for line in text.splitlines() if b":" in line)
        counts.pop(f"http.admin.{name}".encode(), None)
        return sum(int(count) for count in counts.values())

    async def heap_size_bytes(self) -> int:
        """What Envoy has taken from the system for its heap, by its own count (`/memory`)."""
        return _integer(_object(await self.get("/memory"), "/memory").get("heap_size"))

    async def reopen_logs(self) -> None:
        """Close and open the access log again, after it was renamed."""
        await self.post("/reopen_logs")

    async def drain_listeners(self) -> None:
        """Close the listening sockets at once; connections go on."""
        await self.post("/drain_listeners")

    async def fail_health_checks(self) -> None:
        """Answer inbound health checks with failure, so that a balancer ahead moves away."""
        await self.post("/healthcheck/fail")

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        """The body of a successful GET."""
        return await self._expect_ok("GET", path, query or {})

    async def post(self, path: str) -> bytes:
        """The body of a successful POST."""
        return await self._expect_ok("POST", path, {})

    async def request(self, method: str, target: str) -> tuple[int, bytes]:
        """Status and body of any answer; `target` is path and query, already encoded."""
        try:
            answer = await exchange(
                self._path,
                method,
                target,
                timeout_s=self._timeout_s,
                size_bytes_max=ADMIN_RESPONSE_SIZE_BYTES_MAX,
            )
        except TimeoutError as error:
            raise self._unreachable(f"no answer in {self._timeout_s:g} s", ADMIN_LATE) from error
        except (OSError, ValueError) as error:
            raise self._unreachable(str(error)) from error
        return answer.status, answer.body

    async def _expect_ok(self, method: str, path: str, query: Mapping[str, str]) -> bytes:
        target = f"{path}?{urlencode(query)}" if query else path
        status, body = await self.request(method, target)
        if status != _STATUS_OK:
            words = body[:ENVOY_MESSAGE_LENGTH_CHARS_MAX].decode("utf-8", "replace").strip()
            raise UnreachableError(
                "envoy-admin-refused",
                f"Envoy's admin interface answered {status} to {method} {path}.",
                remedy=_REMEDY,
                detail=words,
            )
        return body

    def _unreachable(self, why: str, code: str = "envoy-admin-unreachable") -> UnreachableError:
        return UnreachableError(
            code,
            f"Envoy's admin socket does not answer: {why or 'closed'}.",
            remedy=_REMEDY,
            detail=str(self._path),
        )


def _object(body: bytes, path: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise _garbled(path) from error
    if not isinstance(found, dict):
        raise _garbled(path)
    return found


def _garbled(path: str) -> UnreachableError:
    return UnreachableError("envoy-admin-garbled", f"Envoy's answer to {path} is not valid JSON.")


def _integer(value: object) -> int:
    text = str(value)
    return int(text) if text.isdigit() else 0


def _seconds(value: object) -> float:
    text = str(value).removesuffix("s")
    try:
        return float(text)
    except ValueError:
        return 0.0
