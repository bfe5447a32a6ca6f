"""Secrets as a type: what is wrapped here never shows up in a log, an error or a golden file."""

import hashlib
import hmac
from typing import Final, final

REDACTED: Final = "[redacted]"


@final
class Secret:
    """Bytes that print as `[redacted]` in `str`, `repr`, format strings, JSON and dataclasses.

    Equality is constant time. `reveal()` is the only way to the bytes, easy to find in a review.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The secret bytes, for the one place that needs them."""
        return self._value

    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256: enough to see a change, useless to an attacker."""
        return hashlib.sha256(self._value).hexdigest()[:12]

    def __str__(self) -> str:
        return REDACTED

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    def __format__(self, spec: str) -> str:
        return format(REDACTED, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret is not pickled: pass it where it is needed")
