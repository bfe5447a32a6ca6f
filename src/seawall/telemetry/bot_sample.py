"""What the newest records say of bots: how much is scored, and how much is of no known client.

A sample and no census: ordinary requests may be recorded in part only. A share of too few is None,
never 0. Pure.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Final

from seawall.limits import BOT_SAMPLE_RECORDS_MAX, BOT_SAMPLE_RECORDS_MIN
from seawall.model import BotDo
from seawall.telemetry.bots import BotVerdict, parse_verdict
from seawall.telemetry.records import AccessRecord

_UNKNOWN: Final = 1
_PAGE: Final = 1


@dataclass(frozen=True, slots=True)
class BotSample:
    """Counts over a run of records.

    Attributes:
        records: that carry a verdict.
        unreadable: whose text of bots makes no sense.
        unscored: without a score.
        handshakes: whose JA4 was looked up.
        unknown: of these, with a JA4 that the table does not know.
        due: that a model in force should have scored: pages on sites that only observe.
        due_unscored: of these, without a score.
    """

    records: int = 0
    unreadable: int = 0
    unscored: int = 0
    handshakes: int = 0
    unknown: int = 0
    due: int = 0
    due_unscored: int = 0

    @property
    def possible(self) -> bool:
        """Whether one node can have counted so; what another machine says may be anything."""
        parts = (self.unreadable, self.unscored, self.handshakes, self.due)
        return (
            0 <= self.records <= BOT_SAMPLE_RECORDS_MAX
            and all(0 <= part <= BOT_SAMPLE_RECORDS_MAX for part in parts)
            and max(self.unscored, self.handshakes, self.due) <= self.records
            and 0 <= self.unknown <= self.handshakes
            and 0 <= self.due_unscored <= self.due
        )

    @property
    def unscored_share(self) -> float | None:
        """Of all records; None when they are too few."""
        return _share(self.unscored, self.records)

    @property
    def unknown_share(self) -> float | None:
        """Of all handshakes; None when they are too few."""
        return _share(self.unknown, self.handshakes)

    @property
    def idle(self) -> bool:
        """A model is in force and scores nothing, where it should."""
        return self.due >= BOT_SAMPLE_RECORDS_MIN and self.due_unscored == self.due


def bot_sample(records: Iterable[AccessRecord]) -> BotSample:
    """Count `records`; one without a text of bots is none of them."""
    texts = [record.bots for record in records if record.bots]
    verdicts = [verdict for text in texts if (verdict := parse_verdict(text)) is not None]
    known = [code for verdict in verdicts if (code := verdict.code("tls-known"))]
    due = [verdict for verdict in verdicts if _is_due(verdict)]
    return BotSample(
        records=len(verdicts),
        unreadable=len(texts) - len(verdicts),
        unscored=sum(verdict.score is None for verdict in verdicts),
        handshakes=len(known),
        unknown=sum(code == _UNKNOWN for code in known),
        due=len(due),
        due_unscored=sum(verdict.score is None for verdict in due),
    )


def added(samples: Iterable[BotSample]) -> BotSample:
    """The samples of several nodes as one."""
    return BotSample(*map(sum, zip(*map(astuple, samples), strict=True)))


def _is_due(verdict: BotVerdict) -> bool:
    """A policy that is carried out says `allow` where no rule holds, and may need no score."""
    observes = verdict.action is BotDo.OBSERVE and not verdict.rules
    trusted = verdict.proof == "verified" or verdict.clearance == "ok"
    page = verdict.code("path-kind") == _PAGE
    return bool(verdict.model) and observes and page and not trusted


def _share(some: int, of: int) -> float | None:
    return some / of if of >= BOT_SAMPLE_RECORDS_MIN else None
