"""The program of the ranges job, with the test's own operator of bots in place of the real ones."""

import ipaddress
import json
import os
import ssl
from pathlib import Path
from typing import Any

from clocks import AheadClock
from seawall.daemon import job
from seawall.verify.catalogue import RangeSource
from seawall.verify.fetch import Fetcher
from seawall.verify.renewing import World

OPERATOR = "SEAWALL_TEST_OPERATOR"
"""Names a file: the server's name and port, its authority, and by how much the clock is ahead."""


async def _loopback(_: str) -> list[Any]:
    return [ipaddress.ip_address("127.0.0.1")]


def make_world() -> World:
    told = json.loads(Path(os.environ[OPERATOR]).read_text())
    urls = (f"https://{told['local']}/ranges.json",)
    sources = {name: RangeSource(name, urls, "json") for name in ("gptbot", "applebot")}
    tls = ssl.create_default_context(cadata=told["authority"])
    fetcher = Fetcher(_loopback, tls, local_hosts=frozenset({told["local"]}))
    return World(sources, fetcher, AheadClock(told["ahead_s"]))


if __name__ == "__main__":
    job.main(make_world)
