"""A problem of a site file: a value with its place, its reason and its remedy."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """`error` refuses the file; `warning` is shown and does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a file; line and column count from 1. Line 0 means the file as a whole."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding.

    Attributes:
        id: kebab-case, stable; documented in `docs/problems.md`.
        severity: whether it refuses the file.
        location: where it was written.
        subject: the thing concerned, for example `site shop` or `route shop/api`; may be empty.
        what: one sentence: what is wrong.
        why: why that is a problem; may be empty when `what` says it.
        remedy: what to write or do instead.
    """

    id: str
    severity: Severity
    location: Location
    subject: str
    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        text = f"{self.location}: {self.severity}: {self.what}"
        return " ".join(part for part in (text, self.why, self.remedy) if part) + f" [{self.id}]"
