"""The bot service asks whom the machine's resolv.conf names, also when that changes."""

import asyncio
import ipaddress
import os
import socket
import sys
import time
from pathlib import Path

import pytest

import warm_command
from dns_server import Zone, serving
from helpers import wait_until
from seawall.clock import SystemClock
from seawall.daemon import bot_keeper
from seawall.daemon.bot_names import SystemResolver
from seawall.node.dns.resolvers import Resolvers
from seawall.verify.catalogue import catalogue
from seawall.verify.claims import Claim, ClaimsBoard
from seawall.verify.dns import Lookups


def test_resolvers_that_come_or_change_after_the_start_are_asked(tmp_path: Path) -> None:
    """As at the start of a machine, where the network comes later."""
    path = tmp_path / "resolv.conf"
    first, second = Zone(), Zone()
    first.add("one.test.", "A", "192.0.2.1")
    second.add("two.test.", "A", "192.0.2.2")

    async def story() -> None:
        lookups = Lookups(SystemResolver(Resolvers(path)), SystemClock())
        async with serving(first), serving(second):
            path.write_text(f"nameserver [127.0.0.1]:{first.port}\n")
            assert await lookups.addresses("one.test") == [ipaddress.ip_address("192.0.2.1")]
            path.write_text(f"# moved\nnameserver [127.0.0.1]:{second.port}\n")
            assert await lookups.addresses("two.test") == [ipaddress.ip_address("192.0.2.2")]

    asyncio.run(story())


def test_without_a_resolver_there_is_no_answer_and_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver [127.0.0.1]:1\n")
    lookups = Lookups(SystemResolver(Resolvers(path)), SystemClock())
    found = asyncio.run(lookups.confirm(ipaddress.ip_address("192.0.2.1"), ["one.test"]))
    assert (found.outcome.value, found.why) == ("unknown", "no answer for the address")


def test_the_service_asks_the_resolvers_of_the_file_that_it_is_given(tmp_path: Path) -> None:
    for folder in ("node", "logs"):
        (tmp_path / folder).mkdir()
    read, write = os.pipe()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.0.0.1", 0))
        resolver.settimeout(20.0)
        path = tmp_path / "resolv.conf"
        path.write_text(f"nameserver [127.0.0.1]:{resolver.getsockname()[1]}\n")
        command = [sys.executable, "-P", "-m", "seawall.daemon.bots", "--data-dir", str(tmp_path)]
        command += ["--parent-fd", str(read), "--resolv-conf", str(path)]
        with warm_command.Popen(command, pass_fds=(read,)) as service:
            try:
                os.close(read)
                wait_until((tmp_path / "node" / "bots.sock").exists, what="the service listens")
                board = ClaimsBoard(tmp_path / "node" / "claims.map")
                bot = next(one.number for one in catalogue().bots if one.name == "googlebot")
                board.put(Claim(ipaddress.ip_address("192.0.2.1"), bot, int(time.time())))
                board.close()
                assert b"in-addr" in resolver.recv(512)
            finally:
                os.close(write)  # as when its agent has ended
                service.wait(30)


def test_the_agent_hands_its_own_file_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Recorded:
        pid = None

        def __init__(self, _name: str, _home: Path, _fd: int, arguments: list[str]) -> None:
            started.append(arguments)

        def start(self, _now_s: float) -> None:
            pass

        def kill(self) -> None:
            pass

    class Holding:
        snapshots = ()

    class Once:
        def now_s(self) -> float:
            return 0.0

        def monotonic_s(self) -> float:
            return 0.0

        async def sleep(self, _seconds: float) -> None:
            raise asyncio.CancelledError

    monkeypatch.setattr(bot_keeper, "Child", Recorded)
    monkeypatch.setattr(bot_keeper.bot_settings, "sites_in", lambda _: ("shop",))
    monkeypatch.setattr(bot_keeper.bot_settings, "written", lambda _: b"{}")
    (tmp_path / "node").mkdir()
    path = tmp_path / "resolv.conf"
    keeper = bot_keeper.BotKeeper(tmp_path, Holding(), Once(), resolv_conf=path)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(keeper.run())
    assert started == [["--resolv-conf", str(path)]]
