"""Clearance keys as they travel with a release: made by themselves, rotated by releases.

A text of a head line and one line a key, the signing one first: `KID HEX ISSUED`. The content is
private, as a certificate's key is, and never shown.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from seawall.errors import RefusedError, SeawallError
from seawall.model.clearance import KEY_SIZE_BYTES, ClearanceKey, ClearanceKeys
from seawall.secret import Secret

_HEAD: Final = "seawall-clearance-keys 1"
_LINES: Final = (2, 3)
_KID_NUMBERS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class DatedKeys:
    """Keys with the time they were made.

    Attributes:
        issued_s: Unix seconds of the signing key.
    """

    keys: ClearanceKeys
    issued_s: int


def fresh(random_bytes: Callable[[int], bytes], now_s: float) -> bytes:
    """A first key."""
    return _written([(_kid(""), random_bytes(KEY_SIZE_BYTES), int(now_s))])


def rotated(content: bytes, random_bytes: Callable[[int], bytes], now_s: float) -> bytes:
    """A new signing key, with the one before still believed.

    Raises:
        RefusedError: `content` is none.
    """
    dated = read(content)
    current = dated.keys.current
    return _written(
        [
            (_kid(current.kid), random_bytes(KEY_SIZE_BYTES), int(now_s)),
            (current.kid, current.value.reveal(), dated.issued_s),
        ]
    )


def read(content: bytes) -> DatedKeys:
    """The keys of a content.

    Raises:
        RefusedError: it is none. No byte of it is in the message.
    """
    try:
        return _parsed(content.decode("ascii"))
    except (ValueError, SeawallError):
        raise RefusedError(
            "clearance-keys-unreadable",
            "The keys that clearances are signed with cannot be read.",
            remedy="Roll back to an earlier release; Seawall makes new keys with the next release.",
        ) from None


def _parsed(text: str) -> DatedKeys:
    head, *lines = text.splitlines()
    if head != _HEAD or len(lines) + 1 not in _LINES:
        raise ValueError("another form")
    found = [line.split(" ") for line in lines]
    keys = [ClearanceKey(kid, Secret(bytes.fromhex(value))) for kid, value, _ in found]
    issued = [int(each[2]) for each in found]
    previous = keys[1] if len(keys) > 1 else None
    return DatedKeys(ClearanceKeys(keys[0], previous), issued[0])


def _kid(before: str) -> str:
    number = int(before[1:]) if before[1:].isdecimal() else 0
    return f"k{number % _KID_NUMBERS + 1}"


def _written(keys: list[tuple[str, bytes, int]]) -> bytes:
    lines = (f"{kid} {value.hex()} {issued_s}" for kid, value, issued_s in keys)
    return "\n".join((_HEAD, *lines, "")).encode()
