"""Clearance keys: what signs the proof that a visitor passed a challenge. Rotated by releases."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from seawall.errors import UsageError
from seawall.secret import Secret

KEY_SIZE_BYTES: Final = 32
"""As long as the output of SHA-256: a longer HMAC key adds nothing (RFC 2104 section 3)."""
_KEY_ID: Final = re.compile(r"[a-z0-9]{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ClearanceKey:
    """One signing key.

    Attributes:
        kid: its name inside tokens: 1 to 8 lower-case letters and digits. A name is never given
            to other bytes.
        value: 32 random bytes.

    Raises:
        UsageError: the name or the size is wrong.
    """

    kid: str
    value: Secret

    def __post_init__(self) -> None:
        if not _KEY_ID.fullmatch(self.kid):
            raise UsageError(
                "clearance-key-name",
                f"Clearance key name {self.kid[:40]!r} is not 1 to 8 lower-case letters or digits.",
                remedy="Choose a name like k1.",
            )
        if len(self.value.reveal()) != KEY_SIZE_BYTES:
            raise UsageError(
                "clearance-key-size",
                f"Clearance key {self.kid} has {len(self.value.reveal())} bytes; a key is "
                f"{KEY_SIZE_BYTES} random bytes.",
                remedy="Make a new key.",
            )


@dataclass(frozen=True, slots=True)
class ClearanceKeys:
    """The two live keys: `current` signs, both verify, so a rotation logs nobody out.

    Raises:
        UsageError: both have one name.
    """

    current: ClearanceKey
    previous: ClearanceKey | None = None

    def __post_init__(self) -> None:
        if self.previous is not None and self.previous.kid == self.current.kid:
            raise UsageError(
                "clearance-key-twice",
                f"Both clearance keys are named {self.current.kid}.",
                remedy="Give the new key a new name.",
            )

    def __iter__(self) -> Iterator[ClearanceKey]:
        """The live keys, the signing one first."""
        yield self.current
        if self.previous is not None:
            yield self.previous

    def find(self, kid: str) -> ClearanceKey | None:
        """The live key of that name."""
        for key in self:
            if key.kid == kid:
                return key
        return None
