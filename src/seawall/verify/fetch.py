"""Fetching over https from a server that somebody else named, without becoming their tool.

Only https, only port 443, only GET, no redirect, no proxy, no cookie; the name is resolved once,
every address it has must be public, and the connection goes to one of just these, so that a second
answer of DNS changes nothing. Where the first cannot be reached the first of the other family is
tried: a machine may have IPv6 alone. Size and time are bounded, and the time counts from the name
to the last byte.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias
from urllib.parse import urlsplit

import httpx

from seawall import limits
from seawall.errors import UnreachableError
from seawall.verify.mapping import Address

Resolve: TypeAlias = Callable[[str], Awaitable[list[Address]]]
"""A host name to its addresses; raises `OSError` when there is no answer."""

_HTTPS_PORT: Final = 443
_OK: Final = 200
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer with status 200; header names are lower-case."""

    body: bytes
    headers: Mapping[str, str]


class Fetcher:
    """Fetches bounded documents.

    Args:
        resolve: asks DNS.
        tls: which authorities are trusted.
        local_hosts: `host:port` of servers that may be anywhere, for tests only.
    """

    def __init__(
        self, resolve: Resolve, tls: ssl.SSLContext, *, local_hosts: frozenset[str] = frozenset()
    ) -> None:
        self._resolve = resolve
        self._tls = tls
        self._local_hosts = local_hosts

    async def get(self, url: str, *, size_bytes_max: int, accept: str) -> Fetched:
        """Fetch `url`.

        Raises:
            UnreachableError: it could not be fetched, or may not be.
        """
        try:
            async with asyncio.timeout(limits.VERIFY_FETCH_TIMEOUT_S):
                return await self._get(url, size_bytes_max, accept)
        except TimeoutError:
            _fail(url, f"no complete response within {limits.VERIFY_FETCH_TIMEOUT_S:g} s")
        except (OSError, ValueError, httpx.HTTPError, httpx.InvalidURL) as error:
            _fail(url, str(error)[:200] or type(error).__name__)

    async def _get(self, url: str, size_bytes_max: int, accept: str) -> Fetched:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _HTTPS_PORT
        if parts.scheme != "https" or not host or parts.username or parts.password:
            _fail(url, "only plain https addresses are fetched")
        addresses = await self._addresses(url, host, port)
        connect_s = limits.VERIFY_FETCH_TIMEOUT_S / len(addresses)
        for address in addresses[:-1]:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._ask(url, address, size_bytes_max, accept, connect_s)
        return await self._ask(url, addresses[-1], size_bytes_max, accept, connect_s)

    async def _ask(
        self, url: str, address: Address, size_bytes_max: int, accept: str, connect_s: float
    ) -> Fetched:
        """Fetch from one address."""
        parts = urlsplit(url)
        shown = f"[{address}]" if isinstance(address, ipaddress.IPv6Address) else str(address)
        target = f"https://{shown}:{parts.port or _HTTPS_PORT}{parts.path or '/'}" + (
            f"?{parts.query}" * bool(parts.query)
        )
        headers = {"host": parts.netloc, "accept": accept, "accept-encoding": "identity"}
        async with (
            httpx.AsyncClient(
                verify=self._tls,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(limits.VERIFY_FETCH_TIMEOUT_S, connect=connect_s),
            ) as client,
            client.stream(
                "GET", target, headers=headers, extensions={"sni_hostname": parts.hostname}
            ) as response,
        ):
            if response.status_code != _OK:
                _fail(url, f"it answers {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                _fail(url, "it answers with an encoding that was not asked for")
            body = b""
            async for part in response.aiter_raw():
                body += part
                if len(body) > size_bytes_max:
                    _fail(url, f"it has over {size_bytes_max:,} bytes")
            return Fetched(body, dict(response.headers))

    async def _addresses(self, url: str, host: str, port: int) -> list[Address]:
        """Where to connect: the first vetted address of each family, in the order of the answer."""
        try:
            addresses = [ipaddress.ip_address(host)]
        except ValueError:
            addresses = await self._resolve(host)
        if not addresses:
            _fail(url, "its name has no address")
        if f"{host}:{port}" not in self._local_hosts:
            if port != _HTTPS_PORT:
                _fail(url, "only port 443 is used")
            if not all(is_public(address) for address in addresses):
                _fail(url, "its name resolves to an address that is not public")
        first = {address.version: address for address in reversed(addresses)}
        return sorted(first.values(), key=addresses.index)


def is_public(address: Address) -> bool:
    """Whether an address, and every IPv4 address inside of it, is one of the public Internet."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        inner = [address.sixtofour, *(address.teredo or ())]
        inside = any(part is not None and not is_public(part) for part in inner)
        if inside or address.is_site_local or address in _NAT64:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _fail(url: str, why: str) -> NoReturn:
    raise UnreachableError(
        "bot-fetch-failed",
        f"{url[:200]} was not fetched: {why}.",
        remedy="The copy in use stays in use.",
    )
