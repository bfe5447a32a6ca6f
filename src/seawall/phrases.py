"""Pieces of sentences that every part of Seawall says alike. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime


def few(texts: Sequence[str], most: int) -> str:
    """The first of them, and how many more: `a, b and 7 more`."""
    shown, rest = ", ".join(texts[:most]), len(texts) - most
    return f"{shown} and {rest} more" if rest > 0 else shown


def frozen(actor: str, reason: str) -> str:
    """Who has frozen releases, and why where that was said; a sentence."""
    why = f": {reason.removesuffix('.')}" if reason else ""
    return f"Releases are frozen by {actor}{why}."


def minute(at_s: float) -> str:
    """A time of Unix seconds, in UTC and to the minute."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
