"""What a feed parser hands back: entries, or faults with their lines."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `line` counts from 1; 0 means the content as a whole."""

    line: int
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """Entries in canonical order when there is no fault; with faults there are none."""

    entries: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
