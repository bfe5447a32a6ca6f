"""Key directories of signers (the web-bot-auth drafts), fetched and remembered.

A key is looked up by directory *and* thumbprint, never by thumbprint alone. Only directories of the
catalogue are fetched, so that no client can make Seawall call anybody. However many requests ask,
one fetch of a directory runs at a time. A fetch that fails changes nothing but the time of the next
one; a directory that was fetched and lacks a key takes the key away.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from seawall import limits
from seawall.clock import Clock
from seawall.errors import UnreachableError
from seawall.tasks import Background
from seawall.verify import keys
from seawall.verify.agent_url import WELL_KNOWN
from seawall.verify.fetch import Fetched, Fetcher
from seawall.verify.keys import Key

MEDIA_TYPE: Final = "application/http-message-signatures-directory+json"
JWK_SET_TYPES: Final = frozenset({MEDIA_TYPE, "application/jwk-set+json", "application/json"})
"""What a set of keys may be served as where it is not at the well-known address."""
_ACCEPT: Final = f"{MEDIA_TYPE}, application/jwk-set+json"
_MAX_AGE: Final = re.compile(r"(?:^|[,\s])max-age=\"?(\d{1,9})", re.IGNORECASE)
_NO_CACHE: Final = re.compile(r"(?:^|[,\s])no-(?:store|cache)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class NoKey:
    """Why there is no key, as a word in kebab case."""

    reason: str


Found: TypeAlias = Key | NoKey


@dataclass
class _Entry:
    """One directory; times are monotonic seconds."""

    keys: dict[str, Key] = field(default_factory=dict)
    fetched_s: float | None = None
    fresh_until_s: float = 0.0
    again_s: float = 0.0
    fetch: asyncio.Task[None] | None = None


class Directories:
    """The directories of known signers.

    Args:
        known: addresses that may be fetched, canonical as in `seawall.verify.agent_url`.
        fetcher: fetches them.
        background: owns the fetches: one that a client no longer waits for goes on for the next.
    """

    def __init__(
        self,
        known: Iterable[str],
        fetcher: Fetcher,
        background: Background,
        clock: Clock,
    ) -> None:
        self._entries = {url: _Entry() for url in known}
        self._fetcher = fetcher
        self._background = background
        self._clock = clock
        self._running = 0
        self.fetches = 0
        self.failures = 0

    async def key(self, url: str, keyid: str) -> Found:
        """The key of this thumbprint in the directory at this canonical address."""
        entry = self._entries.get(url)
        if entry is None:
            return NoKey("directory-not-listed")
        now_s = self._clock.monotonic_s()
        found = entry.keys.get(keyid)
        if found is not None and now_s < entry.fresh_until_s:
            return found
        if entry.fetch is None and now_s >= entry.again_s:
            if self._running >= limits.DIRECTORY_FETCHES_MAX:
                return NoKey("busy")
            self._begin(url, entry)
        if entry.fetch is not None:
            # Waiting only: a client that goes away does not end the fetch for the others.
            wait_s = None if found is None else limits.DIRECTORY_RENEWAL_WAIT_S
            await asyncio.wait([entry.fetch], timeout=wait_s)
        return self._held(entry, keyid)

    def _held(self, entry: _Entry, keyid: str) -> Found:
        """What the directory says as it is now known."""
        now_s = self._clock.monotonic_s()
        stale_s = entry.fresh_until_s + limits.DIRECTORY_STALE_S
        if entry.fetched_s is None or now_s >= stale_s:
            return NoKey("directory-unreachable")
        return entry.keys.get(keyid) or NoKey("key-not-listed")

    def _begin(self, url: str, entry: _Entry) -> None:
        self._running += 1
        self.fetches += 1
        work = self._refresh(url, entry)
        entry.fetch = self._background.spawn(work, name=f"key directory {url}")

    async def _refresh(self, url: str, entry: _Entry) -> None:
        try:
            await self._fetch(url, entry)
        except (UnreachableError, ValueError):
            self.failures += 1
            entry.again_s = self._clock.monotonic_s() + limits.DIRECTORY_NEGATIVE_TTL_S
        finally:
            self._running -= 1
            entry.fetch = None

    async def _fetch(self, url: str, entry: _Entry) -> None:
        size = limits.DIRECTORY_SIZE_BYTES_MAX
        fetched = await self._fetcher.get(url, size_bytes_max=size, accept=_ACCEPT)
        kind = fetched.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in ({MEDIA_TYPE} if url.endswith(WELL_KNOWN) else JWK_SET_TYPES):
            raise ValueError(f"a directory of the type {kind[:80]!r}")
        entry.keys = keys.directory(fetched.body)
        now_s = self._clock.monotonic_s()
        entry.fetched_s = now_s
        entry.fresh_until_s = now_s + _lifetime_s(fetched)
        entry.again_s = now_s + limits.DIRECTORY_MISSING_RETRY_S


def _lifetime_s(fetched: Fetched) -> float:
    """How long the answer is fresh, by its Cache-Control, within our bounds."""
    control = fetched.headers.get("cache-control", "")
    low, high = limits.DIRECTORY_TTL_S_MIN, limits.DIRECTORY_TTL_S_MAX
    age = _MAX_AGE.search(control)
    if _NO_CACHE.search(control) or age is None:
        return low
    return min(max(float(age[1]), low), high)
