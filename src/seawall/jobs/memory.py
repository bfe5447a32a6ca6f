"""What is remembered of a job between its runs, also by the next control process; and its text.

The text is JSON in the store, one value a job. What cannot be read back is no memory: the job is
planned as if it had been switched on now.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from seawall import limits


class Ending(StrEnum):
    """How a run ended."""

    RELEASED = "released"
    """Something new was released."""
    UNCHANGED = "unchanged"
    """All went well, and there was nothing new."""
    REFUSED = "refused"
    """It ran to its end, and a check said no; what was in force stays in force."""
    FAILED = "failed"
    """It could not be run to its end; it is tried again sooner."""
    INTERRUPTED = "interrupted"
    """The control process ended meanwhile."""


GOOD: Final = frozenset({Ending.RELEASED, Ending.UNCHANGED})
BROKEN: Final = frozenset({Ending.FAILED, Ending.INTERRUPTED})
"""Endings that say nothing about the data: worth another try before the next period."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        code: stable word for programs.
        words: for people, whole sentences.
        remedy: what to do; empty when nothing is to be done.
        report: folder with more; empty when there is none.
    """

    ending: Ending
    code: str
    words: str
    remedy: str = ""
    report: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """A job so far; all times in Unix seconds.

    Attributes:
        due_s: when it shall run next; None before it was planned.
        every_s: the period that `due_s` was planned with.
        began_s: of the last run, or of the one that runs.
        ended_s: of the last run; None while one runs, and after one that was cut off.
        good_s: end of the last run that went well.
        since_s: when the job was switched on.
        failures: runs in a row that broke.
        outcome: of the last run that ended.
    """

    due_s: float | None = None
    every_s: float = 0.0
    began_s: float | None = None
    ended_s: float | None = None
    good_s: float | None = None
    since_s: float | None = None
    failures: int = 0
    outcome: Outcome | None = None

    @property
    def under_way(self) -> bool:
        """Whether a run began and its end was not seen."""
        return self.began_s is not None and self.ended_s is None


def clipped(outcome: Outcome) -> Outcome:
    """The outcome with texts of bounded length."""
    most = limits.JOB_WORDS_LENGTH_CHARS_MAX
    return Outcome(
        outcome.ending,
        outcome.code[:most],
        outcome.words[:most],
        outcome.remedy[:most],
        outcome.report[:most],
    )


def to_text(memory: Memory) -> str:
    """The text that `from_text` reads."""
    return json.dumps(asdict(memory), separators=(",", ":"))


def from_text(text: str | None) -> Memory:
    """The memory that a text holds; an empty one when it holds none."""
    try:
        found = json.loads(text or "{}")
        return _memory(found)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return Memory()


def outcome_of(value: Any) -> Outcome:
    """An outcome from plain values.

    Raises:
        ValueError: it is none.
        TypeError: likewise.
        KeyError: likewise.
    """
    texts = {key: value[key] for key in ("code", "words", "remedy", "report")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError(value)
    return clipped(Outcome(Ending(value["ending"]), **texts))


def _memory(found: Any) -> Memory:
    if not isinstance(found, dict):
        raise TypeError(found)
    outcome = found.get("outcome")
    times = {key: _time(found.get(key)) for key in ("due_s", "began_s", "ended_s", "good_s")}
    return Memory(
        **times,
        since_s=_time(found.get("since_s")),
        every_s=_time(found.get("every_s")) or 0.0,
        failures=max(0, int(found.get("failures", 0))),
        outcome=None if outcome is None else outcome_of(outcome),
    )


def _time(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:  # noqa: PLR2004 - a sane clock
        raise ValueError(value)
    return float(value)
