"""Work that control does by itself at intervals, as a site file switches it on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class JobName(StrEnum):
    """The jobs there are."""

    RETRAIN = "retrain"
    RANGES = "ranges"


@dataclass(frozen=True, slots=True)
class Retraining:
    """Train a bot model on the newest records, and release it when it is accepted.

    Attributes:
        every_s: from one run to the next.
        feed: that an accepted model is pushed into.
        budget: share of human requests that may be taken for bots.
        sessions: absolute path of the truth about clients; empty where nobody has it.
        bot_rules: rules of sites whose clients are bots; empty for the usual ones.
        tool_rules: rules for programs that say what they are; empty for the usual ones.
        without: features that are not trained on, or `identity`.
        database: address of a ClickHouse server; empty for an embedded one.
    """

    every_s: float
    feed: str
    budget: float
    sessions: str = ""
    bot_rules: tuple[str, ...] = ()
    tool_rules: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    database: str = ""


@dataclass(frozen=True, slots=True)
class RangesRenewal:
    """Fetch the ranges that operators of bots publish, and release what is new.

    Attributes:
        every_s: from one run to the next.
    """

    every_s: float


@dataclass(frozen=True, slots=True)
class Jobs:
    """What is switched on; None is off."""

    retrain: Retraining | None = None
    ranges: RangesRenewal | None = None

    def every_s(self, name: JobName) -> float | None:
        """The period of a job; None when it is off."""
        found = {JobName.RETRAIN: self.retrain, JobName.RANGES: self.ranges}[name]
        return None if found is None else found.every_s


NO_JOBS: Final = Jobs()
"""All is off."""
