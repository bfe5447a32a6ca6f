"""The whole way of one training, measuring or comparison: files in, a model and a report out.

What is written where: an accepted model goes to the place that it is released from, whole or not at
all. A refused one goes nowhere near; it lies in the folder of the report, if one was asked for.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from seawall import limits
from seawall.bots import artifact
from seawall.bots.features import FEATURES
from seawall.clock import Clock
from seawall.errors import UsageError
from seawall.learn import (
    accept,
    dataset,
    drift,
    evaluate,
    needs,
    records,
    split,
    strangers,
    variety,
)
from seawall.learn import train as trainer
from seawall.learn.accept import Acceptance
from seawall.learn.database import Database, open_database
from seawall.learn.modelfile import read_model, require_place, write_model
from seawall.learn.report import Report
from seawall.learn.report import write as write_report
from seawall.learn.rows import HUMAN, TOOL

TRAINING: Final = "train"
MEASURING: Final = "eval"
REFUSED_FILE: Final = "refused-model.json"
_THREADS_MAX: Final = 4
_THREAD_ROWS: Final = 50_000
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}", re.ASCII)

Watch = Callable[[str, int, int], None]
"""Told of each step: its words, how much of it is done, and of how much; 0 when not known."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows come from.

    Attributes:
        records: files and folders of access records; may be empty with a server that has some.
        sessions: the truth about clients, where somebody has it.
        database: address of a ClickHouse server; empty for an embedded one.
    """

    records: tuple[Path, ...]
    sessions: Path | None = None
    database: str = ""
    rules: dataset.Rules = field(default_factory=dataset.Rules)


@dataclass(frozen=True, slots=True)
class Order:
    """What shall be trained.

    Attributes:
        name: of the model; empty: from the date.
        current: file of the model to replace; None for a first one.
        out: where an accepted model goes; None: nowhere.
        report: folder for the report; None: none.
        budget: share of human requests that may be caught.
        forced: checks that may fail.
        without: features that are not trained on, or `identity`.
    """

    source: Source
    name: str = ""
    current: Path | None = None
    out: Path | None = None
    report: Path | None = None
    seed: int = 1
    budget: float = limits.LEARN_FALSE_POSITIVE_BUDGET
    forced: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it.

    Attributes:
        written: where the model lies; None when it was not kept.
    """

    report: Report
    acceptance: Acceptance | None
    written: Path | None


def train(order: Order, clock: Clock, watch: Watch) -> Outcome:
    """Train, compare, write.

    Raises:
        UsageError: the order makes no sense.
        RefusedError: there is too little to learn from, or a file or the database is wrong.
        UnreachableError: a file, package or database that is needed is not there.
    """
    needs.require()
    _require_sense(order)
    current = read_model(order.current) if order.current else None
    with _gathered(order.source, TRAINING, watch) as (found, loaded):
        features = variety.without(found.rows.features, order.without)
        rows = replace(found.rows, features=features)
        parts = split.split(rows, order.seed)
    created = datetime.fromtimestamp(clock.now_s(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    parent = current[1] if current else ""
    bare = trainer.train(
        rows,
        parts,
        trainer.Naming(order.name or f"trained-{created[:10]}", created, parent),
        seed=order.seed,
        threads=_threads(len(rows)),
        watch=lambda tree: watch("Grow trees", tree.tree, tree.of),
    )
    watch("Measure", 0, 0)
    test, unseen = rows.take(parts.test), parts.unseen[parts.test]
    new = evaluate.evaluate(bare, test, order.budget, unseen)
    old = evaluate.evaluate(current[0], test, order.budget, unseen) if current else None
    beside = (
        variety.check(bare, rows.take(~parts.test)),
        strangers.check(bare, test, new.operating.score),
    )
    acceptance = accept.judge(new, old, order.forced, beside)
    content = artifact.write(replace(bare, metrics=evaluate.headline(new)))
    report = Report(
        created=created,
        digest=artifact.digest(content),
        evaluation=new,
        current=old,
        acceptance=acceptance,
        loaded=loaded,
        labels=found.labels,
        parts={
            "for training": int(parts.train.sum()),
            "for tuning": int(parts.tune.sum()),
            "for test, unseen families": int(parts.unseen.sum()),
            "for test, later clients": int(parts.later.sum()),
        },
        notes=(*parts.notes, *_notes(found)),
    )
    return _finished(order, report, content, acceptance, watch)


def measure(
    path: Path, source: Source, clock: Clock, watch: Watch, *, budget: float, folder: Path | None
) -> Outcome:
    """Measure an existing model on labelled records. Raises as `train`."""
    needs.require(*needs.MEASURING)
    _require_budget(budget)
    model, digest = read_model(path)
    with _gathered(source, MEASURING, watch) as (found, loaded):
        watch("Measure", 0, 0)
        evaluation = evaluate.evaluate(model, found.rows, budget)
    created = datetime.fromtimestamp(clock.now_s(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    report = Report(
        created=created,
        digest=digest,
        evaluation=evaluation,
        current=None,
        acceptance=None,
        loaded=loaded,
        labels=found.labels,
        parts={},
        notes=_notes(found),
    )
    if folder is not None:
        watch("Draw the report", 0, 0)
        write_report(folder, report)
    return Outcome(report, None, None)


def compare(
    before: Sequence[Path], after: Sequence[Path], url: str, watch: Watch
) -> tuple[drift.Drift, tuple[records.Loaded, records.Loaded]]:
    """How far traffic has drifted between two sets of records. Raises as `train`."""
    needs.require("chdb" if not url else "httpx")
    with _database(url) as database:
        loaded = tuple(
            _load(database, records.files_of(places), part, watch)
            for part, places in ((drift.BEFORE, before), (drift.AFTER, after))
        )
        watch("Compare", 0, 0)
        return drift.measure(database), (loaded[0], loaded[1])


@contextmanager
def _gathered(
    source: Source, part: str, watch: Watch
) -> Iterator[tuple[dataset.Dataset, records.Loaded]]:
    if not source.records and not source.database:
        raise UsageError(
            "records-needed",
            "No access records are named.",
            remedy="Give them with --records, or a ClickHouse server with --database.",
        )
    with _database(source.database) as database:
        loaded = _load(database, records.files_of(source.records), part, watch)
        # A server may still hold the truth of another training: only what is named is true now.
        database.ask("TRUNCATE TABLE {db:Identifier}.sessions")
        if source.sessions is not None:
            records.load_sessions(database, source.sessions)
        watch("Features and labels", 0, 0)
        yield dataset.gather(database, part, source.rules), loaded


@contextmanager
def _database(url: str) -> Iterator[Database]:
    with (
        tempfile.TemporaryDirectory(prefix="seawall-learn-") as folder,
        closing(open_database(url, Path(folder))) as database,
    ):
        yield database


def _load(database: Database, files: Sequence[Path], part: str, watch: Watch) -> records.Loaded:
    """Records of all parts but the training's are those of this run alone."""
    if part != TRAINING:
        database.ask("DELETE FROM {db:Identifier}.records WHERE part = {part:String}", part=part)
    total, done = records.size_bytes(files), 0

    def read(size_bytes: int) -> None:
        nonlocal done
        done += size_bytes
        watch("Read records", done, total)

    return records.load(database, files, part, watch=read)


def _threads(rows: int) -> int:
    """Threads wait for each other at every split: for few rows that costs more than it gives."""
    return min(_THREADS_MAX, os.cpu_count() or 1, 1 + rows // _THREAD_ROWS)


def _require_sense(order: Order) -> None:
    unknown = [name for name in order.forced if name not in accept.NAMES]
    if unknown:
        raise UsageError(
            "check-unknown",
            f"There is no check named {unknown[0][:60]!r}.",
            remedy=f"There are: {', '.join(accept.NAMES)}.",
        )
    variety.without([feature.name for feature in FEATURES], order.without)
    if order.name and not _NAME.fullmatch(order.name):
        raise UsageError(
            "model-name-malformed",
            f"{order.name[:100]!r} is not a valid model name.",
            remedy="Use up to 100 lower-case letters, digits, dots, dashes and underscores.",
        )
    _require_budget(order.budget)
    if order.out is not None:
        require_place(order.out)


def _require_budget(budget: float) -> None:
    if not 0 < budget < 1:
        raise UsageError(
            "budget-out-of-range",
            f"{budget} is not a valid false-positive budget.",
            remedy="It is a share of human requests, such as 0.001.",
        )


def _notes(found: dataset.Dataset) -> tuple[str, ...]:
    """What the labels leave open, in words."""
    rows = found.rows
    notes = []
    if not rows.human.any():
        notes.append(
            "No request is labelled as human. So neither harm to people nor a safe score for "
            "catching bots can be measured."
        )
    if not rows.of(TOOL).any():
        notes.append("No request is labelled as coming from a declared tool.")
    sources = {each.source for each in found.labels if each.label == HUMAN}
    if sources == {"challenge"}:
        notes.append(
            "People are known by solved challenges only. People who were never challenged or "
            "cannot solve one are missing."
        )
    return tuple(notes)


def _finished(
    order: Order, report: Report, content: bytes, acceptance: Acceptance, watch: Watch
) -> Outcome:
    written = None
    if order.report is not None:
        watch("Draw the report", 0, 0)
        write_report(order.report, report)
    if acceptance.accepted:
        written = order.out
    elif order.report is not None:
        written = order.report / REFUSED_FILE
    if written is not None:
        write_model(written, content)
    return Outcome(report, acceptance, written)
