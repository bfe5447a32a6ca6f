"""How many requests of each kind are recorded on a busy node, and how Envoy is told.

A record costs Envoy several microseconds, and at 20,000 requests a second the files would hold half
a minute. So of each kind a node records every request up to `ACCESS_RECORDS_PER_S_MAX` and above it
only a share. The share falls faster than the traffic grows (316 records a second of 10,000
requests): a rare record finds none of its code in the caches and costs 20 us, just when the
processor is wanted for requests. Each kind has a share of its own, so that a flood that is refused
hides neither the failures of an origin nor the visitors that are served.

The shares are runtime values beside the released one: Envoy compares all with the same number made
from the request id, so the smaller one decides and a node can never record more than its release
allows.

Nothing but the number of records depends on them, and they follow from the traffic alone: that is
why they are no release. They must never be used for anything a client can notice.

https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/runtime#file-system
"""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from seawall.compiler.names import (
    RUNTIME_ACCESS_LOG_NODE_FAILED,
    RUNTIME_ACCESS_LOG_NODE_REFUSED,
    RUNTIME_ACCESS_LOG_NODE_SAMPLE,
    RUNTIME_NODE_DIRECTORY,
)
from seawall.limits import ACCESS_RECORDS_PER_S_MAX, TRIAL_STATS_INTERVAL_S

_MILLION: Final = 1_000_000
_CHANGE_WORTH_TELLING: Final = 0.2
"""Smaller changes of a share are not passed on: one that follows every ripple says less."""
_FALL: Final = 1.5
"""Exponent of the share above the bound: with 1 the number of records would stay the same."""
_FOLDERS: Final = ("a", "b")


@dataclass(frozen=True, slots=True)
class Kinds:
    """A number for each kind of request: how many there were, how many a second, or a share.

    Attributes:
        ordinary: all others, and what clients gave up.
        refused: answered with 400 to 499, or given up by the client. Slow ones are recorded with
            these and not counted: so many cannot be slow at once.
        failed: answered with 500 and up.
    """

    ordinary: float = 0.0
    refused: float = 0.0
    failed: float = 0.0


ALL: Final = Kinds(1.0, 1.0, 1.0)
"""Every request is recorded."""
_RUNTIME_KEYS: Final = (
    RUNTIME_ACCESS_LOG_NODE_SAMPLE,
    RUNTIME_ACCESS_LOG_NODE_REFUSED,
    RUNTIME_ACCESS_LOG_NODE_FAILED,
)
_WORDS: Final = ("ordinary requests", "refused ones (4xx)", "failed ones (5xx)")


def kinds(totals: Mapping[str, int]) -> Kinds:
    """How many requests of each kind there were, from `WindowBuilder.totals`."""
    refused, failed = totals["responses_4xx"], totals["responses_5xx"]
    return Kinds(
        ordinary=totals["requests"] - refused - failed,
        refused=refused + totals["client_resets"],
        failed=failed,
    )


def record_share(requests_per_s: float, share: float) -> float:
    """The share of requests of one kind to record next.

    Args:
        requests_per_s: of this kind, as measured last.
        share: what is in force now, 0 to 1.
    """
    wanted = min(1.0, math.pow(ACCESS_RECORDS_PER_S_MAX / max(requests_per_s, 1.0), _FALL))
    if wanted >= 1.0 and share < 1.0:
        # Back to everything only with room to spare, so that it does not flap at the bound.
        enough_room = requests_per_s < ACCESS_RECORDS_PER_S_MAX * (1 - _CHANGE_WORTH_TELLING)
        return 1.0 if enough_room else share
    if abs(wanted - share) <= _CHANGE_WORTH_TELLING * share:
        return share
    return wanted


class RequestRate:
    """Requests a second from poll to poll, so that a flood is recorded whole for one poll only.

    Attributes:
        per_s: of each kind, between the last two polls; None before there were two.
    """

    def __init__(self) -> None:
        self.per_s: Kinds | None = None
        self._last: tuple[Kinds, float] | None = None

    def read(self, requests: Kinds, *, at_s: float) -> None:
        """Take the numbers of requests so far, at monotonic seconds `at_s`.

        Polls that follow one another at once, as around a commit, are put together: so short a
        time says little. An answer may be counted one poll after its request, hence the floor.
        """
        if self._last is None:
            self._last = (requests, at_s)
            return
        before, before_s = self._last
        duration_s = at_s - before_s
        if duration_s >= TRIAL_STATS_INTERVAL_S:
            pairs = zip(astuple(requests), astuple(before), strict=True)
            self.per_s = Kinds(*(max(0.0, (now - then) / duration_s) for now, then in pairs))
            self._last = (requests, at_s)


class Recording:
    """The shares in force on one slot, kept in its directory for Envoy to read.

    Args:
        slot_dir: Envoy's working directory.

    Attributes:
        shares: of each kind, 0 to 1.
    """

    def __init__(self, slot_dir: Path) -> None:
        self._slot_dir = slot_dir
        self.shares = ALL

    def follow(self, per_s: Kinds) -> None:
        """Pass on the shares that fit the traffic; blocks on the disk.

        Raises:
            OSError: the slot's directory cannot be written; the shares in force stay.
        """
        pairs = zip(astuple(per_s), astuple(self.shares), strict=True)
        shares = Kinds(*(record_share(rate, share) for rate, share in pairs))
        if shares != self.shares or not self._told():
            self._tell(shares)
            self.shares = shares

    def in_words(self, per_s: Kinds) -> str:
        """What is recorded of which traffic; empty while everything is."""
        return ", ".join(self._parts(per_s))

    def _parts(self, per_s: Kinds) -> Iterator[str]:
        for share, rate, words in zip(astuple(self.shares), astuple(per_s), _WORDS, strict=True):
            if share < 1.0:
                yield f"{share:.1%} of {rate:,.0f} {words} a second"

    def _told(self) -> bool:
        """Whether Envoy reads these: an agent before, or a time before a swap, left others."""
        folder = self._slot_dir / RUNTIME_NODE_DIRECTORY
        if not folder.is_symlink():
            return self.shares == ALL
        try:
            return [(folder / key).read_text() for key in _RUNTIME_KEYS] == _values(self.shares)
        except (OSError, ValueError):
            return False

    def _tell(self, shares: Kinds) -> None:
        """Write the folder that is not in use and turn the link to it, as Envoy wants it."""
        link = self._slot_dir / RUNTIME_NODE_DIRECTORY
        current = ""
        with suppress(OSError):
            current = str(link.readlink())
        names = [f"{RUNTIME_NODE_DIRECTORY}.{letter}" for letter in _FOLDERS]
        name = next(name for name in names if name != current)
        folder = self._slot_dir / name
        folder.mkdir(mode=0o700, exist_ok=True)
        for key, value in zip(_RUNTIME_KEYS, _values(shares), strict=True):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with os.fdopen(os.open(folder / key, flags, 0o600), "w") as file:
                file.write(value)
        fresh = self._slot_dir / f".{RUNTIME_NODE_DIRECTORY}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(link)


def _values(shares: Kinds) -> list[str]:
    """As Envoy reads them, of a million; never none at all."""
    return [str(max(1, round(share * _MILLION))) for share in astuple(shares)]
