"""Bundles from any HTTP server: fetched by digest, believed by signature, never by who sent them.

A mirror holds `DIGEST.bundle` files as control writes them (`seawall control --mirror-dir`). It may
be wrong, old, slow or hostile: what it sends is opened with the key that signs releases and must
be the bundle that was asked for, or the next source is asked. One that is slow is not waited for:
control is asked beside it, and before it the next time.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what the caller seeded
from typing import Any, Final
from urllib.parse import urlsplit

from seawall import limits
from seawall.clock import Clock
from seawall.errors import SeawallError, UsageError
from seawall.exchange import Address, Line
from seawall.fleet.tls import web_context
from seawall.ids import Digest
from seawall.release.envelope import open_bytes
from seawall.release.signing import load_public_key
from seawall.tasks import beside

SUFFIX: Final = ".bundle"
_TIMEOUT_S: Final = 30.0
_PORTS: Final = {"http": 80, "https": 443}
_OK: Final = 200
_Bytes = Coroutine[Any, Any, bytes]


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
            f"{url[:200]!r} is not the URL of a mirror.",
            remedy="For example --mirror https://objects.example.com/seawall.",
        )
    tls = web_context() if parts.scheme == "https" else None
    address = Address(parts.hostname, port or _PORTS[parts.scheme], tls)
    return Mirror(address, parts.path.rstrip("/"))


class Mirrors:
    """The mirrors of a node, asked before control.

    Args:
        known: all of them; none is fine.
        trusted: file with the key that signs releases.
        passed_over: told in words why one was not used.
    """

    def __init__(
        self,
        known: tuple[Mirror, ...],
        clock: Clock,
        rng: Random,
        *,
        trusted: Path,
        passed_over: Callable[[str], None],
    ) -> None:
        self._known = known
        self._clock = clock
        self._rng = rng
        self._trusted = trusted
        self._passed_over = passed_over
        self._rests_until_s: dict[Mirror, float] = {}

    async def bundle(self, digest: Digest, ask_control: Callable[[], _Bytes]) -> bytes:
        """From a mirror if one has it soon, otherwise from whoever has it first.

        A mirror that hangs must not hold up a release: a kill switch is given up after seconds.

        Raises:
            SeawallError: as `ask_control`, when no mirror has it either.
        """
        now_s = self._clock.monotonic_s()
        awake = [m for m in self._known if self._rests_until_s.get(m, now_s) <= now_s]
        if not awake:
            return await ask_control()
        async with beside(self._from_any(awake, digest)) as asked:
            done, _ = await asyncio.wait({asked}, timeout=limits.MIRROR_PATIENCE_S)
            if done:
                return asked.result() or await ask_control()
            async with beside(ask_control()) as own:
                waits = {asked, own}
                while waits:
                    done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        if task.exception() is None and task.result():
                            return task.result()
                return own.result()

    async def _from_any(self, mirrors: list[Mirror], digest: Digest) -> bytes:
        """Empty when none of them has it."""
        for mirror in self._rng.sample(mirrors, len(mirrors)):
            found, began_s = b"", self._clock.monotonic_s()
            try:
                found = await fetch(mirror, digest, self._trusted)
            except (OSError, ValueError, SeawallError) as error:
                self._passed_over(f"{mirror.address}: {words_of(error)}")
            finally:
                now_s = self._clock.monotonic_s()
                # Half of it: the second of two slow ones is given up sooner.
                if not found and now_s - began_s >= limits.MIRROR_PATIENCE_S / 2:
                    self._rests_until_s[mirror] = now_s + limits.MIRROR_REST_S
                    self._passed_over(f"{mirror.address}: it is slow and gets a pause")
            if found:
                return found
        return b""


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
