"""How well bots are told from people, per family and with intervals; pure on sessions and records.

A session counts as detected at request k when one of its first k requests scored at or under the
threshold, or when its browser admitted to be driven (the page probe). The threshold is the highest
one at which no more than the budget of the people's sessions *to learn from* is ever detected;
false positives are then counted on the *other* people. A session that ended before request k keeps
what was known of it. Absent scores detect nothing and are counted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seawall.bots.model import Model
from seawall.bots.probes import CODE_DRIVEN
from seawall.telemetry.bots import parse_verdict
from zoo import dataset
from zoo.intervals import Share, at_most
from zoo.kinds import Class, Kind, Session
from zoo.split import Split, split

AT = (1, 3, 5, 10)
"""Requests after which detection is told."""
Scorer = Callable[[Mapping[str, Any]], int | None]
_SCRIPTLESS = "documents only"
"""In the names of configurations that are told not to load scripts, so that no probe runs."""
_SEVERE = ("block", "challenge", "rate")
_PARTS_OF_PAGES = ("/static/", "/favicon.ico", "/beacon", "/api/", "/.well-known/seawall/")


@dataclass(frozen=True)
class Seen:
    """A session and what the edge thought of each of its requests, in order."""

    session: Session
    scores: tuple[int | None, ...]
    actions: tuple[str, ...]
    admits: tuple[bool, ...]
    """Whether the request tells that a program drives its browser."""
    page: int
    """Requests of its first page: up to the second page, or all."""
    threshold: int = 0
    """Scores at or under it detect; 0 detects nothing."""
    unseen: bool = False
    """Whether the model that scored did not learn from it, nor from its family."""

    def lowest(self, requests: int) -> int | None:
        """The lowest score among the first requests; None when none was scored."""
        known = [score for score in self.scores[:requests] if score is not None]
        return min(known) if known else None


@dataclass(frozen=True)
class Row:
    """Detection of one family, or of a kind."""

    name: str
    kind: str
    label: str
    held_out: bool
    sessions: int
    requests: int
    unscored: int
    at: Mapping[int, Share]
    page: Share
    actions: Mapping[str, Share]


@dataclass(frozen=True)
class Goal:
    """A wanted share and what was measured; `share` without a total is not measured."""

    name: str
    wanted: float
    least: bool
    share: Share
    bound: float | None

    @property
    def reached(self) -> bool | None:
        """None when nothing was measured."""
        if self.share.value is None:
            return None
        return self.share.value >= self.wanted if self.least else self.share.value <= self.wanted


@dataclass(frozen=True)
class Report:
    """Everything that is shown."""

    thresholds: Sequence[int]
    budget: float
    calibrated_on: int
    people: Share
    people_bound: float | None
    families: Sequence[Row]
    kinds: Sequence[Row]
    worst: Mapping[str, Row]
    mean: Mapping[str, Mapping[int, float]]
    goals: Sequence[Goal]
    sessions: int
    without_records: int
    requests: int
    unscored: int
    models: Sequence[str]


def of_folder(
    folder: Path,
    budget: float = 0.001,
    scorer: Scorer | None = None,
    threshold: int | None = None,
) -> Report:
    """The report of a data set on disk."""
    sessions, records = dataset.read_sessions(folder), dataset.read_records(folder)
    return report(sessions, records, budget, scorer, threshold)


def report(
    sessions: Sequence[Session],
    records: Iterable[Mapping[str, Any]],
    budget: float = 0.001,
    scorer: Scorer | None = None,
    threshold: int | None = None,
) -> Report:
    """The report.

    Args:
        sessions: with their labels.
        records: access records, in any order; those of no session are passed over.
        budget: share of people that may be detected, 0 to 1.
        scorer: gives the score of a record instead of the record's own.
        threshold: one that was fixed before; then all people judge it.
    """
    found, models = seen(sessions, records, scorer)
    halves = split([one.session for one in found])
    marked, calibrated_on = calibrated(found, halves, budget)
    if threshold is not None:
        marked = [
            replace(s, threshold=threshold, unseen=s.unseen or s.session.label == Class.HUMAN)
            for s in marked
        ]
        calibrated_on = 0
    missing = len(sessions) - len(found)
    return summed(marked, budget, calibrated_on=calibrated_on, missing=missing, models=models)


def calibrated(found: Sequence[Seen], halves: Split, budget: float) -> tuple[list[Seen], int]:
    """The sessions with the threshold that people to learn from allow, and how many those were."""
    learned = [
        s for s in found if s.session.label == Class.HUMAN and s.session.session in halves.train
    ]
    threshold = highest(learned, budget)
    marked = [
        replace(s, threshold=threshold, unseen=s.session.session in halves.test) for s in found
    ]
    return marked, len(learned)


def summed(
    found: Sequence[Seen], budget: float, *, calibrated_on: int, missing: int, models: Sequence[str]
) -> Report:
    """The report on sessions that know their thresholds.

    Args:
        found: sessions with records.
        budget: that the thresholds were made for.
        calibrated_on: people's sessions that each threshold was made on.
        missing: sessions without records.
        models: that scored.
    """
    unseen = [s for s in found if s.unseen]
    people = [s for s in unseen if s.session.label == Class.HUMAN]
    families = _rows(found, lambda s: s.session.family)
    bots = [row for row in families if row.label == Class.BOT and row.held_out]
    flagged = Share(sum(_detected(s, len(s.scores)) for s in people), len(people))
    return Report(
        thresholds=sorted({s.threshold for s in found}),
        budget=budget,
        calibrated_on=calibrated_on,
        people=flagged,
        people_bound=at_most(flagged.count, flagged.total),
        families=families,
        kinds=_rows(unseen, lambda s: s.session.kind),
        worst=_worst(bots),
        mean=_mean(bots),
        goals=_goals(found, unseen),
        sessions=len(found) + missing,
        without_records=missing,
        requests=sum(len(s.scores) for s in found),
        unscored=sum(score is None for s in found for score in s.scores),
        models=models,
    )


def scorer_of(model: Model) -> Scorer:
    """Scores the vectors of records with a model, instead of the one that was in force."""

    def score(record: Mapping[str, Any]) -> int | None:
        codes = codes_of(record)
        return model.score(codes) if codes else None

    return score


def codes_of(record: Mapping[str, Any]) -> tuple[int, ...]:
    """The vector of a record; empty when it has none."""
    known = parse_verdict(str(record.get("bots", "")))
    return known.codes if known else ()


def seen(
    sessions: Iterable[Session], records: Iterable[Mapping[str, Any]], scorer: Scorer | None = None
) -> tuple[list[Seen], tuple[str, ...]]:
    """Sessions with at least one record, and the models that scored."""
    by_address: dict[str, list[tuple[str, str, int | None, str, bool]]] = {}
    models: set[str] = set()
    for record in records:
        known = parse_verdict(str(record.get("bots", "")))
        score = scorer(record) if scorer else known.score if known else None
        models |= {known.model} - {""} if known else set()
        action = known.action.value if known else ""
        driven = known is not None and known.code("page-probe") == CODE_DRIVEN
        line = (str(record.get("time", "")), str(record.get("path", "")), score, action, driven)
        by_address.setdefault(str(record.get("client", "")), []).append(line)
    found = []
    for session in sessions:
        lines = sorted(by_address.get(session.address, ()), key=lambda line: line[0])
        if lines:
            _, paths, scores, actions, admits = zip(*lines, strict=True)
            found.append(Seen(session, scores, actions, admits, _first_page(paths)))
    return found, tuple(sorted(models))


def highest(people: Sequence[Seen], budget: float) -> int:
    """The highest threshold within the budget: 0 (detects nothing) without people."""
    lowest = sorted(low for s in people if (low := s.lowest(len(s.scores))) is not None)
    if not lowest:
        return 0
    return max(0, lowest[min(len(lowest) - 1, int(budget * len(people)))] - 1)


def _detected(one: Seen, requests: int) -> bool:
    low = one.lowest(requests)
    return any(one.admits[:requests]) or (low is not None and low <= one.threshold)


def _first_page(paths: Sequence[str]) -> int:
    pages = [n for n, path in enumerate(paths) if not path.startswith(_PARTS_OF_PAGES)]
    return pages[1] if len(pages) > 1 else len(paths)


def _rows(found: Sequence[Seen], key: Callable[[Seen], str]) -> list[Row]:
    groups: dict[tuple[str, str, str], list[Seen]] = {}
    for one in found:
        groups.setdefault((one.session.label, one.session.kind, key(one)), []).append(one)
    return [_row(names, group) for names, group in sorted(groups.items())]


def _row(names: tuple[str, str, str], group: Sequence[Seen]) -> Row:
    label, kind, name = names
    total = len(group)
    return Row(
        name=name,
        kind=kind,
        label=label,
        held_out=all(s.unseen for s in group),
        sessions=total,
        requests=sum(len(s.scores) for s in group),
        unscored=sum(score is None for s in group for score in s.scores),
        at={k: Share(sum(_detected(s, k) for s in group), total) for k in AT},
        page=Share(sum(_detected(s, s.page) for s in group), total),
        actions={a: Share(sum(a in s.actions for s in group), total) for a in _SEVERE},
    )


def _worst(rows: Sequence[Row]) -> dict[str, Row]:
    """Of each kind the family that is detected least by request 10, then at request 1."""
    found: dict[str, Row] = {}
    for row in sorted(rows, key=lambda r: (r.at[10].value or 0, r.at[1].value or 0)):
        found.setdefault(row.kind, row)
    return found


def _mean(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """Of each kind the mean over its families: a large one does not hide a small one."""
    kinds: dict[str, list[Row]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    return {
        kind: {k: sum(row.at[k].value or 0 for row in known) / len(known) for k in AT}
        for kind, known in kinds.items()
    }


def _goals(found: Sequence[Seen], unseen: Sequence[Seen]) -> list[Goal]:
    def of(kind: Kind, name: str = "") -> list[Seen]:
        return [s for s in unseen if s.session.kind == kind and name in s.session.configuration]

    def detection(
        name: str, wanted: float, group: list[Seen], until: Callable[[Seen], int]
    ) -> Goal:
        count = sum(_detected(s, until(s)) for s in group)
        return Goal(name, wanted, least=True, share=Share(count, len(group)), bound=None)

    def spared(name: str, wanted: float, group: list[Seen], actions: tuple[str, ...]) -> Goal:
        count = sum(any(a in s.actions for a in actions) for s in group)
        share = Share(count, len(group))
        return Goal(name, wanted, least=False, share=share, bound=at_most(count, len(group)))

    people = [s for s in found if s.session.label == Class.HUMAN]
    readers = [s for s in found if s.session.kind in {Kind.FEED, Kind.PACKAGE, Kind.GIT}]
    return [
        detection(
            "user-agent spoofing at request 1, unseen families", 0.97, of(Kind.SPOOF), lambda _: 1
        ),
        detection(
            "default automation after one page, unseen families",
            0.99,
            [s for s in of(Kind.AUTOMATION) if _SCRIPTLESS not in s.session.configuration],
            lambda s: s.page,
        ),
        detection(
            "the same where it loads documents only",
            0.99,
            of(Kind.AUTOMATION, _SCRIPTLESS),
            lambda s: s.page,
        ),
        detection(
            "newest impersonators by request 5, unseen families",
            0.95,
            of(Kind.IMPERSONATOR, " new"),
            lambda _: 5,
        ),
        spared("people blocked", 0.0, people, ("block",)),
        spared("people challenged", 0.005, people, ("challenge", "rate")),
        spared(
            "feed readers, package managers and git blocked or challenged", 0.0, readers, _SEVERE
        ),
    ]
