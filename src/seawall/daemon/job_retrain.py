"""Training on schedule: the current model and the newest records in, a report and a feed out.

The training is that of `seawall bots train`, with every check of its acceptance and none forced.
Only an accepted model is pushed, and the gate judges it again like anybody's.
"""

import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seawall import limits
from seawall.api.client import Client
from seawall.api.hand_views import WAITING
from seawall.api.range_feeds import last_of
from seawall.api.views import Refused
from seawall.bots.starter import starter_content
from seawall.clock import Clock
from seawall.errors import ConflictError, RefusedError
from seawall.jobs.memory import Ending, Outcome
from seawall.learn import needs
from seawall.model.jobs import Retraining
from seawall.site.sources import BOT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from seawall.learn.course import Outcome as Trained

_AUTHOR: Final = "retrain"
_HOME: Final = ("control", "training")
_WORK: Final = "work"
_MODEL: Final = "model.json"
_FORM: Final = "%Y-%m-%dT%H-%M-%SZ"
_FOR_NOW: Final = frozenset({"frozen", "held"})
"""Refusals that say nothing about the model."""
DATABASE_VARIABLE: Final = "SEAWALL_CLICKHOUSE_URL"
"""Holds the address of a ClickHouse server with its password; a site file must not."""


def retrain(
    data_dir: Path,
    settings: Retraining,
    clock: Clock,
    tell: "Callable[[str, int, int], None]",
    *,
    database: str = "",
) -> Outcome:
    """Train, and push what is accepted.

    Args:
        data_dir: of control; access records of a node on this machine are in it.
        settings: of the site file.
        clock: names the report.
        tell: told each step.
        database: address of a ClickHouse server where the site file names none.

    Raises:
        SeawallError: the training cannot be carried out, or control does not answer.
        OSError: a disk cannot be used.
    """
    needs.require()
    home = data_dir.joinpath(*_HOME)
    work, report = _folders(home, clock)
    try:
        with Client.for_data_dir(data_dir) as client:
            current = _current(client, settings.feed, work)
            trained = _trained(
                data_dir, settings, clock, tell, database, current=current, report=report
            )
            if trained.written is None or not trained.acceptance or not trained.acceptance.accepted:
                return _refused(trained, report)
            tell("Release the model", 0, 0)
            return _pushed(client, settings, trained, report)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        with suppress(OSError):
            report.rmdir()  # only when there is nothing in it


def _folders(home: Path, clock: Clock) -> tuple[Path, Path]:
    """An empty one to work in, and one for the report; the oldest reports go.

    What a run that was killed left to work in goes too.
    """
    work = home / _WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    tempfile.tempdir = str(work)
    reports = sorted(path for path in home.iterdir() if path != work)
    for old in reports[: max(0, len(reports) - limits.TRAINING_REPORTS_KEPT_MAX + 1)]:
        shutil.rmtree(old, ignore_errors=True)
    report = home / datetime.fromtimestamp(clock.now_s(), UTC).strftime(_FORM)
    report.mkdir(mode=0o700, exist_ok=True)
    return work, report


def _current(client: Client, feed: str, work: Path) -> Path | None:
    """A file of the model that scores now; None when nothing does.

    Raises:
        ConflictError: the model is a file of the site file.
        RefusedError: the model that scores now is not to be had.
    """
    model = client.feeds().model
    if model is None:
        return None
    if model.source == "file" and feed != BOT_MODEL:
        return Path(model.path)
    if model.source == "file":
        raise ConflictError(
            "feed-is-a-file",
            f"The bot model is read from {model.path}, which training cannot replace.",
            remedy="Remove `model` or `retrain` from `bots` in the site file, or write "
            "`retrain: {to: shadow}` there.",
        )
    text = client.feed(BOT_MODEL).text if model.source == "pushed" else None
    content = starter_content() if text is None else text.encode()
    if content is None:
        raise RefusedError(
            "bot-model-missing",
            "This Seawall no longer contains the model that scores now.",
            remedy="Push a model with `seawall feed push bot-model`.",
        )
    path = work / "current.json"
    path.write_bytes(content)
    return path


def _trained(
    data_dir: Path,
    settings: Retraining,
    clock: Clock,
    tell: "Callable[[str, int, int], None]",
    database: str,
    *,
    current: Path | None,
    report: Path,
) -> "Trained":
    from seawall.learn import course, dataset  # noqa: PLC0415 - needs the extra

    server = settings.database or database
    records = data_dir / "access"
    there = any(records.glob("*.ndjson*"))
    if not there and not server:
        raise RefusedError(
            "records-missing",
            f"There are no access records in {records}, and no database is named.",
            remedy="If nodes run on other machines, import their records into a ClickHouse server. "
            "Name it as `database` under `retrain`, or give it to control in "
            f"{DATABASE_VARIABLE}.",
        )
    source = course.Source(
        records=(records,) if there else (),
        sessions=Path(settings.sessions) if settings.sessions else None,
        database=server,
        rules=dataset.Rules(
            settings.bot_rules or dataset.BOT_RULES, settings.tool_rules or dataset.TOOL_RULES
        ),
    )
    order = course.Order(
        source=source,
        name=f"retrained-{report.name[:10]}",
        current=current,
        out=report / _MODEL,
        report=report,
        budget=settings.budget,
        without=settings.without,
    )
    return course.train(order, clock, tell)


def _refused(trained: "Trained", report: Path) -> Outcome:
    failed = trained.acceptance.failed if trained.acceptance is not None else ()
    reasons = "; ".join(f"{check.name}: {check.words}" for check in failed)
    return Outcome(
        Ending.REFUSED,
        "bot-model-not-accepted",
        f"The trained model was not accepted; the current one stays in force. {reasons}",
        "Read report.md in the folder; docs/bot-training.md explains each check.",
        str(report),
    )


def _pushed(client: Client, settings: Retraining, trained: "Trained", report: Path) -> Outcome:
    content = (report / _MODEL).read_bytes()
    message = f"Retrained; report in {report.name}"
    end = last_of(client.push_feed(settings.feed, content, author=_AUTHOR, message=message))
    if isinstance(end, Refused) and end.code == WAITING:
        words = f"The trained model was accepted, but is not released yet. {end.message}"
        return Outcome(Ending.UNCHANGED, "bot-model-waits", words, report=str(report))
    if isinstance(end, Refused):
        words = f"The trained model was accepted, but its release was refused: {end.message}"
        remedy = f"{end.remedy} The model is {_MODEL} in the folder."
        ending = Ending.FAILED if end.code in _FOR_NOW else Ending.REFUSED
        return Outcome(ending, end.code, words, remedy, str(report))
    if not end.changed or end.release is None:
        words = "The trained model is the same as the current one."
        return Outcome(Ending.UNCHANGED, "bot-model-unchanged", words, report=str(report))
    words = f"The model {trained.report.digest[:8]} was accepted and released as {end.release.id}."
    return Outcome(Ending.RELEASED, "bot-model-released", words, report=str(report))
