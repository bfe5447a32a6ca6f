"""The three outcomes of asking whether a bot is who it says, and how two of them are combined.

`IMPOSTOR` stands only on a definite negative: somebody answered, and the answer excludes the claim.
Whatever keeps us from knowing (silence, errors, stale or empty data) is `UNKNOWN`.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """What is known of one claim."""

    VERIFIED = "verified"
    IMPOSTOR = "impostor"
    UNKNOWN = "unknown"


def combine(first: Outcome, second: Outcome) -> Outcome:
    """Of two proofs of one claim: either may verify; both must exclude it to make an impostor."""
    if Outcome.VERIFIED in (first, second):
        return Outcome.VERIFIED
    if first is second:
        return first
    return Outcome.UNKNOWN
