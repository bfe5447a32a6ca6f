"""Whom the bot service asks for names: whom the agent asks, as its resolv.conf tells them now.

A machine that starts may have none yet, and one that moves has others: what is read once at the
start would leave every bot unknown until the service is started again.
"""

from typing import Any

import dns.asyncresolver
from dns.nameserver import Do53Nameserver

from seawall.node.dns.resolvers import Resolver, Resolvers


class SystemResolver:
    """Asks whom the agent asks; see `seawall.verify.dns.Resolver`.

    Args:
        resolvers: those of the file that the agent was given, or of the machine.
    """

    def __init__(self, resolvers: Resolvers) -> None:
        self._resolvers = resolvers
        self._known: tuple[Resolver, ...] = ()
        self._resolver = dns.asyncresolver.Resolver(configure=False)

    async def resolve(self, qname: Any, rdtype: str, **options: Any) -> Any:
        """Ask for the records of a name."""
        known = self._resolvers.now()
        if known != self._known:
            # A new one: questions that are on their way keep theirs.
            self._resolver = dns.asyncresolver.Resolver(configure=False)
            self._resolver.nameservers = [Do53Nameserver(one.host, one.port) for one in known]
            self._known = known
        return await self._resolver.resolve(qname, rdtype, **options)
