"""How many ordinary requests are recorded on a busy node, and how Envoy is told.

A record costs Envoy several microseconds, and at 20,000 requests a second the files would hold half
a minute. So a node records every ordinary request up to `ACCESS_RECORDS_PER_S_MAX` and above it
only a share; errors and slow requests are always recorded. The share falls faster than the traffic
grows (316 records a second of 10,000 requests): a rare record finds none of its code in the caches
and costs 20 us, just when the processor is wanted for requests.

The share is a runtime value beside the released one: Envoy compares both with the same number made
from the request id, so the smaller one decides and a node can never record more than its release
allows.

Nothing but the number of records depends on it, and it follows from the traffic alone: that is why
it is no release. It must never be used for anything a client can notice.

https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/runtime#file-system
"""

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from seawall.compiler.names import RUNTIME_ACCESS_LOG_NODE_SAMPLE, RUNTIME_NODE_DIRECTORY
from seawall.limits import ACCESS_RECORDS_PER_S_MAX, TRIAL_STATS_INTERVAL_S

_MILLION: Final = 1_000_000
_CHANGE_WORTH_TELLING: Final = 0.2
"""Smaller changes of the share are not passed on: a share that follows every ripple says less."""
_FALL: Final = 1.5
"""Exponent of the share above the bound: with 1 the number of records would stay the same."""
_FOLDERS: Final = ("a", "b")


def record_share(requests_per_s: float, share: float) -> float:
    """The share of ordinary requests to record next.

    Args:
        requests_per_s: as measured last.
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
        per_s: between the last two polls; None before there were two.
    """

    def __init__(self) -> None:
        self.per_s: float | None = None
        self._last: tuple[int, float] | None = None

    def read(self, requests: int, *, at_s: float) -> None:
        """Take the number of requests so far, at monotonic seconds `at_s`.

        Polls that follow one another at once, as around a commit, are put together: so short a
        time says little.
        """
        if self._last is None:
            self._last = (requests, at_s)
            return
        duration_s = at_s - self._last[1]
        if duration_s >= TRIAL_STATS_INTERVAL_S:
            self.per_s = (requests - self._last[0]) / duration_s
            self._last = (requests, at_s)


class Recording:
    """The share in force on one slot, kept in its directory for Envoy to read.

    Args:
        slot_dir: Envoy's working directory.
    """

    def __init__(self, slot_dir: Path) -> None:
        self._slot_dir = slot_dir
        self.share = 1.0

    def follow(self, requests_per_s: float) -> None:
        """Pass on the share that fits the traffic; blocks on the disk.

        Raises:
            OSError: the slot's directory cannot be written; the share in force stays.
        """
        share = record_share(requests_per_s, self.share)
        if share != self.share or not self._told():
            self._tell(share)
            self.share = share

    def _told(self) -> bool:
        return self.share == 1.0 or (self._slot_dir / RUNTIME_NODE_DIRECTORY).is_symlink()

    def _tell(self, share: float) -> None:
        """Write the folder that is not in use and turn the link to it, as Envoy wants it."""
        link = self._slot_dir / RUNTIME_NODE_DIRECTORY
        current = ""
        with suppress(OSError):
            current = str(link.readlink())
        names = [f"{RUNTIME_NODE_DIRECTORY}.{letter}" for letter in _FOLDERS]
        name = next(name for name in names if name != current)
        folder = self._slot_dir / name
        folder.mkdir(mode=0o700, exist_ok=True)
        value = folder / RUNTIME_ACCESS_LOG_NODE_SAMPLE
        descriptor = os.open(value, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(str(max(1, round(share * _MILLION))))
        fresh = self._slot_dir / f".{RUNTIME_NODE_DIRECTORY}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(name)
        fresh.replace(link)
