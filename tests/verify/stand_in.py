"""A bot service that stands in for the real one where Envoy asks about signed requests."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from seawall.verify.app import verify_routes
from seawall.verify.outcome import Outcome
from seawall.verify.service import SignatureAnswer
from seawall.verify.signature import Request


class Signatures:
    """Stands in for the verifier: says what it was asked."""

    def __init__(self, outcome: Outcome = Outcome.VERIFIED, bot: str = "test-agent") -> None:
        self.asked: list[Request] = []
        self._answer = SignatureAnswer(outcome, bot, "")

    async def signature(self, request: Request) -> SignatureAnswer:
        self.asked.append(request)
        return self._answer


@contextlib.contextmanager
def answering(path: Path, verifier: Any) -> Iterator[None]:
    """Listen on a Unix socket as the bot service does."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    app = Starlette(routes=verify_routes(verifier))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)
