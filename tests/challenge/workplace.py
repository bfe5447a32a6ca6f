"""The service with everything it is given under a test's hand: time, chance, puzzles, policy."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette

from challenge.lua_clearance import KEYS, NOW_S
from clocks import HandClock
from seawall.challenge.app import challenge_routes
from seawall.challenge.assets import load
from seawall.challenge.binding import Bound
from seawall.challenge.desk import Client, Counter, Desk, Tools
from seawall.challenge.opening import Asked, open_challenge
from seawall.challenge.passing import fnv1a
from seawall.challenge.policy import ChallengePolicy
from seawall.challenge.pool import Allowance
from seawall.challenge.puzzle import Kernel
from seawall.challenge.reply import Outcome, Reply
from seawall.challenge.signed import style_proof
from seawall.challenge.spent import SpentSet
from seawall.secret import Secret

BOUND = Bound("shop.example", "203.0.113.0/24", "t13d15h2_8daaf6152771")
POLICY = ChallengePolicy(KEYS, epoch=7, contact="mailto:help@shop.example")
ASSETS = load()
CLEARANCE, ECHO = "__Host-seawall", "__Host-seawall-try"
SALT, KEY = bytes(16), bytes(range(100, 132))
KEY_TEXT = "ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1-f4CBgoM"


class FakeKernels:
    """Puzzles whose key is known, without Argon2."""

    def __init__(self, left: int = 10**9) -> None:
        self.left = left

    def take(self) -> Kernel | None:
        self.left -= 1
        return Kernel(SALT, Secret(KEY)) if self.left >= 0 else None


def numbered(first: int = 1) -> Callable[[int], bytes]:
    """Bytes that are never the same twice."""
    numbers = count(first)
    return lambda size: next(numbers).to_bytes(size, "big")


@dataclass
class Workplace:
    """A desk and its tools."""

    clock: HandClock = field(default_factory=lambda: HandClock(NOW_S))
    kernels: FakeKernels = field(default_factory=FakeKernels)
    policy: ChallengePolicy | None = POLICY
    outcomes: list[Outcome] = field(default_factory=list)
    spent: SpentSet = field(default_factory=lambda: SpentSet(100))
    random_bytes: Callable[[int], bytes] = field(default_factory=numbered)

    def __post_init__(self) -> None:
        self.tools = Tools(
            clock=self.clock,
            random_bytes=self.random_bytes,
            policy_of=lambda _: self.policy,
            kernels=self.kernels,
            spent=self.spent,
            allowance=Allowance(self.clock),
            observer=self.outcomes.append,
        )
        self.desk = Desk(self.tools)

    def counter(self, cookies: str = "", **changes: Any) -> Counter:
        client = Client(
            replace(BOUND, **changes), changes.get("host", BOUND.host), "https", cookies, "en"
        )
        counter = self.desk.counter(client)
        assert counter is not None
        return counter


def cookie_of(reply: Reply, name: str) -> str | None:
    """`name=value` as a browser would send it back."""
    for header, value in reply.headers:
        if header == "set-cookie" and value.startswith(f"{name}="):
            return value.partition(";")[0]
    return None


def answer(challenge: str, nonce: str, **changes: Any) -> bytes:
    """What the script sends after the page's load."""
    found: dict[str, Any] = {
        "c": challenge,
        "s": style_proof(nonce, KEYS),
        "e": fnv1a(challenge),
        "v": 0,
    }
    return json.dumps(found | changes).encode()


def opened(place: Workplace, cookies: str = "", wanted: int = 1, **asked: Any) -> Reply:
    counter = place.counter(cookies)
    return open_challenge(
        counter,
        Asked(
            client=counter.client,
            method=asked.pop("method", "GET"),
            path=asked.pop("path", "/shop?item=1"),
            wanted=wanted,
            request_id="3f1c2a70-aaaa-4000-8000-000000000000",
            **asked,
        ),
        ASSETS,
    )


def challenge_in(page: Reply) -> tuple[str, str]:
    """The challenge text and its nonce."""
    found = re.search(rb'data-challenge="([^"]+)"', page.body)
    assert found
    text = found[1].decode()
    return text, text.split(".")[6]


def told(reply: Reply) -> dict[str, Any]:
    found = json.loads(reply.body)
    assert isinstance(found, dict)
    return found


HEADERS = {
    "x-seawall-host": BOUND.host,
    "x-seawall-prefix": BOUND.prefix,
    "x-seawall-ja4": BOUND.ja4,
    "x-seawall-scheme": "https",
}


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def served(tools: Tools, socket: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The service on a Unix socket, and a client that speaks as Envoy does."""
    app = Starlette(routes=challenge_routes(tools))
    server = _Server(uvicorn.Config(app, uds=str(socket), log_config=None, lifespan="off"))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(server._serve())
        await server.up.wait()
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://bots") as client:
            client.headers.update(HEADERS)
            yield client
        server.should_exit = True
        await task
