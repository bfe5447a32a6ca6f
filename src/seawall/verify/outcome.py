"""The three outcomes of asking whether a bot is who it says.

`IMPOSTOR` stands only on a definite negative: somebody answered, and the answer excludes the claim.
Whatever keeps us from knowing (silence, errors, stale or empty data) is `UNKNOWN`.
"""

from enum import StrEnum


class Outcome(StrEnum):
    """What is known of one claim."""

    VERIFIED = "verified"
    IMPOSTOR = "impostor"
    UNKNOWN = "unknown"
