"""An edge served by a real Envoy, from model values to answers, for the traffic tests."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from envoy_harness import EnvoyProcess, Response, fetch, running_envoy, wait_until
from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.compiler.static import static_bootstrap
from seawall.model import Edge


@dataclass
class Served:
    """A running edge on one plain port."""

    envoy: EnvoyProcess
    port: int

    def get(
        self,
        target: str,
        host: str = "shop.test",
        *,
        method: str = "GET",
        headers: tuple[str, ...] = (),
        body: bytes = b"",
    ) -> Response:
        """One request on its own connection; `headers` are `name: value` lines."""
        lines = [f"{method} {target} HTTP/1.1", f"host: {host}", *headers, "", ""]
        return fetch(self.port, "\r\n".join(lines).encode() + body)

    def records(self, count: int) -> list[dict[str, Any]]:
        """The access records, as soon as there are `count` of them."""
        path = self.envoy.directory / "access.ndjson"

        def lines() -> list[str]:
            return path.read_text().splitlines() if path.exists() else []

        wait_until(lambda: len(lines()) >= count, what=f"{count} access records")
        return [json.loads(line) for line in lines()]

    def record_of(self, response: Response) -> dict[str, Any]:
        """The access record of one answer."""
        wanted = response.header("x-request-id")
        assert wanted
        path = self.envoy.directory / "access.ndjson"

        def found() -> dict[str, Any] | None:
            lines = path.read_text().splitlines() if path.exists() else []
            return next((json.loads(line) for line in lines if wanted in line), None)

        record = wait_until(found, what=f"the access record of {wanted}")
        assert record is not None
        return record


@contextlib.contextmanager
def served(edge: Edge) -> Iterator[Served]:
    """Compile, check and run `edge`; the port is that of its first plain listener."""
    snapshot = compile_edge(edge)
    check(snapshot)
    flush_soon = ("--file-flush-interval-msec", "20")  # Envoy writes records every 10 s else
    bootstrap = static_bootstrap(snapshot, admin_path=None)
    with running_envoy(bootstrap, arguments=flush_soon) as envoy:
        listeners = edge.listen.http or edge.listen.https
        yield Served(envoy, listeners[0].port)
