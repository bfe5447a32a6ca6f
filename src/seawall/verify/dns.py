"""Reverse DNS with forward confirmation: does this address belong to one of these names?

The owner of an address chooses its PTR name, so a name proves nothing until the name's own zone
leads back to the address. Only an answer that somebody gave can exclude a claim: silence, an
error, a name that does not exist, and more records than are looked at leave it unknown. Real
crawlers have names without a forward record now and then.
"""

import ipaddress
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import dns.exception
import dns.resolver
import dns.reversename

from seawall import limits
from seawall.clock import Clock
from seawall.verify.mapping import Address
from seawall.verify.outcome import Outcome

_HOST: Final = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_HOST_CHARS_MAX: Final = 253


class Resolver(Protocol):
    """What is needed of `dns.asyncresolver.Resolver`."""

    async def resolve(self, qname: Any, rdtype: str, **options: Any) -> Any:
        """Ask for the records of a name; raises `dns.exception.DNSException` or `OSError`."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS said.

    Attributes:
        values: names or addresses; empty when the name, or its records, do not exist.
        ttl_s: how long that holds.
        known: False when there was no answer at all.
        whole: False when there were more values than are looked at.
    """

    values: tuple[str, ...]
    ttl_s: float
    known: bool = True
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Whether an address belongs to names.

    Attributes:
        ttl_s: how long it holds; 0 when unknown.
        why: for people.
    """

    outcome: Outcome
    ttl_s: float
    why: str


def host_matches(host: str, pattern: str) -> bool:
    """Whether a name stands below a pattern, with the edge at a dot.

    `example.com` means the name itself and all below it. `a-*.example.com` means names below
    `example.com` whose first label begins with `a-`.
    """
    name = host.lower().removesuffix(".")
    start, star, domain = pattern.rpartition("*.")
    if not star:
        return name == pattern or name.endswith("." + pattern)
    return name.startswith(start) and name.endswith("." + domain)


class Lookups:
    """Questions to DNS with a bounded memory of the answers.

    Args:
        resolver: asks; its servers and its time are its own, the whole time is bounded here.
    """

    def __init__(self, resolver: Resolver, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._answers: OrderedDict[tuple[str, str], tuple[float, Answer]] = OrderedDict()
        self.asked = 0
        """Questions that were sent."""

    async def confirm(self, address: Address, hosts: Sequence[str]) -> Confirmation:
        """Whether `address` belongs to a name that one of the patterns `hosts` allows."""
        pointer = dns.reversename.from_address(str(address)).to_text()
        names = await self._ask(pointer, "PTR", limits.VERIFY_DNS_NAMES_MAX)
        if not names.values:
            return _unknown("no name" if names.known else "no answer for the address")
        doubts = [] if names.whole else ["more names than are looked at"]
        for name in names.values:
            host = name.lower().removesuffix(".")
            fits = len(host) <= _HOST_CHARS_MAX and _HOST.fullmatch(host)
            if not fits or not any(host_matches(host, pattern) for pattern in hosts):
                continue
            kind = "A" if isinstance(address, ipaddress.IPv4Address) else "AAAA"
            forward = await self._ask(host + ".", kind, limits.VERIFY_DNS_ADDRESSES_MAX)
            if str(address) in forward.values:
                ttl_s = min(names.ttl_s, forward.ttl_s)
                return Confirmation(Outcome.VERIFIED, ttl_s, f"{host} leads back to the address")
            if not forward.values or not forward.whole:
                doubts.append(f"{host} could not be confirmed")
        if doubts:
            return _unknown(doubts[0])
        why = f"{names.values[0][:100]} is not one of its names, or resolves elsewhere"
        return Confirmation(Outcome.IMPOSTOR, names.ttl_s, why)

    async def addresses(self, host: str) -> list[Address]:
        """All addresses of a name, for `seawall.verify.fetch`.

        Raises:
            OSError: no answer.
        """
        found: list[Address] = []
        silent = 0
        for kind in ("A", "AAAA"):
            answer = await self._ask(host + ".", kind, limits.VERIFY_DNS_ADDRESSES_MAX)
            silent += not answer.known
            found += [ipaddress.ip_address(value) for value in answer.values]
        if not found and silent:
            raise OSError("DNS gives no answer for its name")
        return found

    async def _ask(self, name: str, kind: str, values_max: int) -> Answer:
        now_s = self._clock.monotonic_s()
        held = self._answers.get((name, kind))
        if held is not None and now_s < held[0]:
            return held[1]
        self.asked += 1
        answer = await self._question(name, kind, values_max)
        if answer.known:
            self._answers[name, kind] = (self._clock.monotonic_s() + answer.ttl_s, answer)
            self._answers.move_to_end((name, kind))
            while len(self._answers) > limits.VERIFY_DNS_CACHE_MAX:
                self._answers.popitem(last=False)
        return answer

    async def _question(self, name: str, kind: str, values_max: int) -> Answer:
        low, high = limits.VERIFY_DNS_CACHE_TTL_S_MIN, limits.VERIFY_DNS_CACHE_TTL_S_MAX
        try:
            reply = await self._resolver.resolve(
                name,
                kind,
                raise_on_no_answer=False,
                search=False,
                lifetime=limits.VERIFY_DNS_TIMEOUT_S,
            )
            records = [] if reply.rrset is None else list(reply.rrset)
            ttl_s = min(max(float(reply.chaining_result.minimum_ttl), low), high)
            if not records:
                return Answer((), low)  # a record that was forgotten is seen soon after it is made
        except dns.resolver.NXDOMAIN:
            return Answer((), low)
        except (dns.exception.DNSException, OSError, EOFError, ValueError):
            return Answer((), 0.0, known=False)
        # Sorted, so that which ones are looked at does not depend on a server's mood.
        values = sorted({record.to_text() for record in records})
        return Answer(tuple(values[:values_max]), ttl_s, whole=len(values) <= values_max)


def _unknown(why: str) -> Confirmation:
    return Confirmation(Outcome.UNKNOWN, 0.0, why)
