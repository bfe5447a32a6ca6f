"""The clearance token: who passed a challenge, until when, and how sure that was.

    version.kid.issued.expires.level.epoch.probes.nonce.mac

Nine fields with dots between, no longer than 96 characters, safe in a cookie. Times are whole
seconds since 1970. The MAC covers all fields before it and the `Bound`. Envoy verifies tokens by
itself (`bots/lua/clearance.lua`); `check` is the same decision in Python and its specification.

Nothing of a token is believed before its MAC is right, so only an authentic token is ever called
expired or of another epoch.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from seawall.challenge.binding import NONCE_LENGTH_CHARS, Bound, mac, same
from seawall.errors import UsageError, invariant
from seawall.limits import (
    CLEARANCE_CLOCK_SKEW_S,
    CLEARANCE_LEVEL_MAX,
    CLEARANCE_LIFETIME_S_MAX,
    CLEARANCE_PROBES_MAX,
    CLEARANCE_TEXT_LENGTH_CHARS_MAX,
)
from seawall.model.clearance import ClearanceKeys

VERSION: Final = "1"
NOT_PROBED: Final = "-"

_NUMBER: Final = r"(0|[1-9][0-9]{0,10})"
_TOKEN: Final = re.compile(
    rf"1\.([a-z0-9]{{1,8}})\.{_NUMBER}\.{_NUMBER}\.([1-3])\.{_NUMBER}\.(-|0|[1-9][0-9]{{0,3}})"
    r"\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{22})",
    re.ASCII,
)


class RefusalReason(StrEnum):
    """Why a token clears nothing."""

    MALFORMED = "malformed"
    BINDING = "binding"
    KEY = "key"
    MAC = "mac"
    EPOCH = "epoch"
    FUTURE = "future"
    EXPIRED = "expired"
    LIFETIME = "lifetime"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The token clears nothing."""

    reason: RefusalReason


@dataclass(frozen=True, slots=True)
class Clearance:
    """What a token says.

    Attributes:
        level: 1 to 3, see `ladder`.
        issued_s: whole seconds since 1970.
        expires_s: first second at which it is over.
        probes: bits of `bots.probes.Probe` that the browser showed; None when none were asked for.
    """

    level: int
    issued_s: int
    expires_s: int
    probes: int | None
    nonce: str


def mint(
    keys: ClearanceKeys,
    bound: Bound,
    *,
    level: int,
    epoch: int,
    now_s: float,
    lifetime_s: int,
    nonce: str,
    probes: int | None = None,
) -> str:
    """A token for `bound`, signed by the current key.

    Raises:
        UsageError: `bound` cannot be signed for.
        InternalError: a field is out of its range, which is a defect of the caller.
    """
    words = bound.text()
    if words is None:
        raise UsageError(
            "clearance-binding", "No clearance for a client without host, network and fingerprint."
        )
    issued_s = int(now_s)
    invariant(1 <= level <= CLEARANCE_LEVEL_MAX, "a clearance has a level of the ladder")
    invariant(1 <= lifetime_s <= CLEARANCE_LIFETIME_S_MAX, "a clearance ends within its bound")
    invariant(probes is None or 0 <= probes <= CLEARANCE_PROBES_MAX, "probes fit their field")
    invariant(len(nonce) == NONCE_LENGTH_CHARS, "a clearance has a whole nonce")
    shown = NOT_PROBED if probes is None else str(probes)
    body = (
        f"{VERSION}.{keys.current.kid}.{issued_s}.{issued_s + lifetime_s}.{level}.{epoch}"
        f".{shown}.{nonce}"
    )
    token = f"{body}.{mac(keys.current, body.encode('ascii'), words)}"
    invariant(_TOKEN.fullmatch(token), "a minted clearance is well formed")
    return token


def check(
    text: str, keys: ClearanceKeys, bound: Bound, *, epoch: int, now_s: float
) -> Clearance | Refusal:
    """Whether `text` clears `bound` now. Never raises, whatever the text is."""
    if len(text) > CLEARANCE_TEXT_LENGTH_CHARS_MAX:
        return Refusal(RefusalReason.MALFORMED)
    found = _TOKEN.fullmatch(text)
    if found is None:
        return Refusal(RefusalReason.MALFORMED)
    kid, issued, expires, level, its_epoch, probes, nonce, its_mac = found.groups()
    words = bound.text()
    if words is None:
        return Refusal(RefusalReason.BINDING)
    key = keys.find(kid)
    if key is None:
        return Refusal(RefusalReason.KEY)
    signed = text[: found.start(8) - 1].encode("ascii")
    if not same(mac(key, signed, words), its_mac):
        return Refusal(RefusalReason.MAC)
    clearance = Clearance(
        level=int(level),
        issued_s=int(issued),
        expires_s=int(expires),
        probes=None if probes == NOT_PROBED else int(probes),
        nonce=nonce,
    )
    reason = _standing(clearance, int(its_epoch), epoch, now_s)
    return clearance if reason is None else Refusal(reason)


def _standing(
    clearance: Clearance, its_epoch: int, epoch: int, now_s: float
) -> RefusalReason | None:
    # Each question is asked so that a clock that is not a number refuses.
    if its_epoch != epoch:
        return RefusalReason.EPOCH
    if not clearance.issued_s <= now_s + CLEARANCE_CLOCK_SKEW_S:
        return RefusalReason.FUTURE
    if not now_s < clearance.expires_s:
        return RefusalReason.EXPIRED
    if not 0 < clearance.expires_s - clearance.issued_s <= CLEARANCE_LIFETIME_S_MAX:
        return RefusalReason.LIFETIME
    return None
