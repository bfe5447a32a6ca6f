"""How many solutions the challenge service takes in a second of one core, over HTTP on its socket.

    PYTHONPATH=tests python -m challenge.solve_rate

prints solutions for each second of processor time of the serving process: parsing, routing, every
check, using up the challenge, minting and answering. What asks is another process.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from challenge.workplace import (
    ECHO,
    HEADERS,
    KEY_TEXT,
    Workplace,
    answer,
    challenge_in,
    cookie_of,
    opened,
    told,
)
from helpers import wait_until
from seawall import limits
from seawall.challenge.app import challenge_routes
from seawall.challenge.passing import solve
from seawall.challenge.pool import Allowance
from seawall.challenge.spent import SpentSet

SOLUTIONS = 3_000
_START_S = 30.0


class Generous(Allowance):
    """One network of the measurement solves more than any network may."""

    def may_take(self, _prefix: str) -> bool:
        return True


def generous() -> Workplace:
    place = Workplace(spent=SpentSet(limits.CHALLENGE_SPENT_ENTRIES_MAX))
    place.tools = replace(place.tools, allowance=Generous(place.clock))
    place.desk = type(place.desk)(place.tools)
    return place


def solutions(cookies: str, place: Workplace) -> Iterator[bytes]:
    """Bodies that solve, each its own challenge."""
    for _ in range(SOLUTIONS):
        text, nonce = challenge_in(opened(place, wanted=2))
        puzzle = told(solve(place.counter(cookies), answer(text, nonce)))["puzzle"]["text"]
        yield answer(text, nonce, p=puzzle, k=KEY_TEXT)


def rate_per_s(socket: Path) -> float:
    server = subprocess.Popen([sys.executable, "-m", "challenge.solve_rate", str(socket)])
    try:
        place = generous()
        cookies = cookie_of(opened(place, wanted=2), ECHO) or ""
        bodies = list(solutions(cookies, place))
        wait_until(socket.exists, what="the service listens", deadline_s=_START_S)
        headers = {**HEADERS, "content-type": "application/json", "cookie": cookies}
        transport = httpx.HTTPTransport(uds=str(socket))
        with httpx.Client(transport=transport, base_url="http://bots", headers=headers) as client:
            before_s = _cpu_s(server.pid)
            for body in bodies:
                reply = client.post("/.well-known/seawall/challenge/solve", content=body)
                assert reply.json()["do"] == "go", reply.text
            return SOLUTIONS / (_cpu_s(server.pid) - before_s)
    finally:
        server.terminate()
        server.wait(10)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _serve(socket: str) -> None:
    app = Starlette(routes=challenge_routes(generous().tools))
    uvicorn.run(app, uds=socket, http=HttpToolsProtocol, lifespan="off", log_config=None)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _serve(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(f"{rate_per_s(Path(folder) / 'socket'):,.0f} solutions/s of a core\n")
