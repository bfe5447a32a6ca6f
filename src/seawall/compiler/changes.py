"""One change between two snapshots, as `diff` tells it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EDGE: Final = "edge"
"""The subject of what belongs to no single part."""


class Action(StrEnum):
    """What happened to a subject."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Attributes:
        subject: what it is about: `site shop`, `route shop/api`, `origin api`, `certificate shop`,
            `listener http 0.0.0.0:80` or `edge`.
        text: one line for people; names the subject itself.
        drains: Envoy closes the connections concerned, after their requests are done.
        restarts: it takes a new Envoy process.
    """

    action: Action
    subject: str
    text: str
    drains: bool = False
    restarts: bool = False
