"""Bundles from any HTTP server: fetched by digest, believed by signature, never by who sent them.

A mirror holds `DIGEST.bundle` files as control writes them (`seawall control --mirror-dir`). It may
be wrong, old, slow or hostile: what it sends is opened with the key that signs releases and must
be the bundle that was asked for, or the next source is asked.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from seawall import limits
from seawall.errors import SeawallError, UsageError
from seawall.exchange import Address, Line
from seawall.fleet.tls import web_context
from seawall.ids import Digest
from seawall.release.envelope import open_bytes
from seawall.release.signing import load_public_key

SUFFIX: Final = ".bundle"
_TIMEOUT_S: Final = 30.0
_PORTS: Final = {"http": 80, "https": 443}
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where bundles may be had; `path` is without a slash at its end."""

    address: Address
    path: str


def parse_mirror(url: str) -> Mirror:
    """A mirror by its URL.

    Raises:
        UsageError: no http or https URL.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in _PORTS or not parts.hostname or port == -1 or parts.query:
        raise UsageError(
            "mirror-url-invalid",
            f"{url[:200]!r} is no URL of a mirror.",
            remedy="For example --mirror https://objects.example.com/seawall.",
        )
    tls = web_context() if parts.scheme == "https" else None
    address = Address(parts.hostname, port or _PORTS[parts.scheme], tls)
    return Mirror(address, parts.path.rstrip("/"))


async def fetch(mirror: Mirror, digest: Digest, trusted: Path) -> bytes:
    """The bundle `digest` from a mirror, checked.

    Args:
        mirror: to ask.
        digest: of the wanted bundle; 64 hexadecimal digits.
        trusted: file with the key that signs releases.

    Raises:
        OSError: no answer, or none in time.
        ValueError: the answer is too large, or not the bundle.
        SeawallError: the bundle is damaged, or not signed by the trusted key.
    """
    line = Line(mirror.address)
    try:
        answer = await line.ask(
            "GET",
            f"{mirror.path}/{digest}{SUFFIX}",
            timeout_s=_TIMEOUT_S,
            size_bytes_max=limits.ENVELOPE_SIZE_BYTES_MAX,
            headers={"Connection": "close"},
        )
    finally:
        line.close()
    if answer.status != _OK:
        raise ValueError(f"HTTP {answer.status}")
    await asyncio.to_thread(_require, answer.body, digest, trusted)
    return answer.body


def words_of(error: Exception) -> str:
    """Why a mirror was passed over, in words."""
    return error.message if isinstance(error, SeawallError) else str(error) or type(error).__name__


def _require(envelope: bytes, digest: Digest, trusted: Path) -> None:
    record, _ = open_bytes(envelope, load_public_key(trusted))
    if record.digest != digest:
        raise ValueError(f"it sent the bundle {record.digest[:12]}")
