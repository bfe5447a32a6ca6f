"""Who is served when a listener of the API has all the connections that it may have.

A program that asks too often (a dashboard in a loop, a hundred scrapers) must not keep anybody from
a rollback, nor the node of this machine from control. So what changes something, and what the node
asks, is taken beyond the bound on connections, up to a bound of its own.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from seawall.api.views import ErrorView

_LOOKS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OF_NODES: Final = "/v1/node/"
TOO_MANY: Final = ErrorView(
    "too-many-connections",
    "Control has too many connections to its API at once. The edge is not affected.",
    "Find the program that asks so often and stop it. Orders, such as a rollback, get through.",
)


class Crowded:
    """An app that turns requests away while `connections()` is too many.

    Args:
        app: what answers the others.
        connections: how many there are, that of the request included.
        connections_max: from here on only orders are taken.
        orders_max: that are taken at once then; more are turned away too.
    """

    def __init__(
        self,
        app: ASGIApp,
        connections: Callable[[], int],
        *,
        connections_max: int,
        orders_max: int,
    ) -> None:
        self._app = app
        self._connections = connections
        self._connections_max = connections_max
        self._orders_max = orders_max
        self._orders = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        order = _is_order(scope)
        full = self._connections() >= self._connections_max
        if full and not (order and self._orders < self._orders_max):
            await _turn_away(scope, receive, send)
            return
        self._orders += order
        try:
            await self._app(scope, receive, send)
        finally:
            self._orders -= order


def _is_order(scope: Scope) -> bool:
    return scope["method"] not in _LOOKS or scope["path"].startswith(_OF_NODES)


async def _turn_away(scope: Scope, receive: Receive, send: Send) -> None:
    answer = Response(
        json.dumps(asdict(TOO_MANY)),
        status_code=503,
        media_type="application/json",
        headers={"connection": "close"},
    )
    await answer(scope, receive, send)
