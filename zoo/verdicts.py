"""The `bots` text of an access record, read; see the contract in docs/access-records.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PARTS = 7


@dataclass(frozen=True)
class Verdict:
    """What the edge thought of a request.

    Attributes:
        score: 1 (automated) to 99 (human); None when the request was not scored.
        action: observe, allow, challenge, block or rate; empty when absent, as all below.
        rule: name of the rule that decided.
        verified: `verified:NAME`, `impostor:NAME` or `unknown:NAME`.
        clearance: `ok:LEVEL`, `expired` or `invalid`.
        model: first digits of the model's digest.
        vector: the features, one character each.
    """

    score: int | None = None
    action: str = ""
    rule: str = ""
    verified: str = ""
    clearance: str = ""
    model: str = ""
    vector: str = ""


def verdict(record: Mapping[str, Any]) -> Verdict | None:
    """The verdict in a record; None when it holds none, or one that cannot be read."""
    text = record.get("bots")
    if not isinstance(text, str):
        return None
    parts = text.split(" ")
    if len(parts) != _PARTS:
        return None
    score = int(parts[0]) if parts[0].isascii() and parts[0].isdigit() else None
    if score is not None and not 1 <= score <= 99:
        score = None
    return Verdict(score, *("" if part == "-" else part for part in parts[1:]))
