"""Answers of the service as values, and what the service reports of each decision."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


class Event(StrEnum):
    """What happened to a challenge."""

    ASKED = "asked"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One decision, for counting and for learning.

    Attributes:
        host: the site asked for.
        reference: id of the request that was challenged; empty when it is not known.
        why: rung that was passed, or what stood against it, in one word.
        level: level of the clearance, or the level wanted while there is none.
        probes: `bots.probes.Probe` bits; None when none were sent.
    """

    event: Event
    host: str
    reference: str
    why: str
    level: int
    probes: int | None = None


Observer = Callable[[Outcome], None]


def told(do: str, *, status: int = 403, cookies: tuple[str, ...] = (), **words: Any) -> Reply:
    """What the page's script is told to do next."""
    extra = tuple(("set-cookie", cookie) for cookie in cookies)
    if "seconds" in words:
        extra += (("retry-after", str(words["seconds"])),)
    return Reply(
        status,
        (
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("x-robots-tag", "noindex"),
            ("x-content-type-options", "nosniff"),
            *extra,
        ),
        json.dumps({"do": do, **words}).encode("utf-8"),
    )


def moved(status: int, to: str, cookies: tuple[str, ...]) -> Reply:
    """On to the page asked for: 303 as a GET, 307 with the same body."""
    return Reply(
        status,
        (
            ("location", to),
            ("cache-control", "no-store"),
            ("x-robots-tag", "noindex"),
            ("referrer-policy", "same-origin"),
            *(("set-cookie", cookie) for cookie in cookies),
        ),
    )


def problem(status: int, code: str, message: str) -> Reply:
    """An answer for programs: a request that no page of ours makes."""
    words: Mapping[str, str] = {"error": code, "message": message}
    return Reply(
        status,
        (("content-type", "application/json"), ("cache-control", "no-store")),
        json.dumps(words).encode("utf-8"),
    )
