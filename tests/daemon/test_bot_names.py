"""The bot service asks whom the machine's resolv.conf names, also when that changes."""

import asyncio
import ipaddress
from pathlib import Path

from dns_server import Zone, serving
from seawall.clock import SystemClock
from seawall.daemon.bot_names import SystemResolver
from seawall.node.dns.resolvers import Resolvers
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
