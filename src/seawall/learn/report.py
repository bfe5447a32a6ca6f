"""A report on a model: a folder with a page for people, the same as JSON, and pictures."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from seawall.bots.features import FEATURES
from seawall.errors import UnreachableError
from seawall.learn.accept import Acceptance
from seawall.learn.dataset import Label
from seawall.learn.evaluate import UNSEEN, Evaluation, Family, headline
from seawall.learn.metrics import Share
from seawall.learn.records import Loaded
from seawall.learn.rows import CLASSES

MEANINGS: Final = {feature.name: feature.meaning for feature in FEATURES}
_ALT: Final = {
    "roc.png": "ROC curve",
    "calibration.png": "calibration curve",
    "scores.png": "histograms of scores by class",
    "families.png": "caught requests by family",
    "features.png": "importance of features",
}
_FEATURES_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report tells.

    Attributes:
        digest: of the model file.
        current: the model before, on the same rows.
        acceptance: None when an existing model was only measured.
        parts: how many rows were trained on, tuned and tested with; empty without training.
        notes: what could not be done as it should.
    """

    created: str
    digest: str
    evaluation: Evaluation
    current: Evaluation | None
    acceptance: Acceptance | None
    loaded: Loaded
    labels: tuple[Label, ...]
    parts: dict[str, int]
    notes: tuple[str, ...]


def write(folder: Path, report: Report) -> None:
    """Write `report.md`, `report.json` and the pictures into `folder`.

    Raises:
        UnreachableError: they cannot be written.
    """
    from seawall.learn import pictures  # noqa: PLC0415 - matplotlib takes a second to load

    try:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = pictures.draw(folder, report.evaluation, report.current, MEANINGS)
        (folder / "report.md").write_text(page(report, drawn), encoding="utf-8")
        (folder / "report.json").write_text(
            json.dumps(to_json(report), indent=1) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise UnreachableError(
            "report-unwritable",
            f"The report cannot be written to {folder}: {error.strerror or error}.",
            remedy="Name another folder with --report.",
        ) from error


def to_json(report: Report) -> dict[str, Any]:
    """The report for programs; missing figures are null."""
    found = asdict(report)
    found["figures"] = headline(report.evaluation)
    if report.acceptance is not None:
        found["acceptance"]["accepted"] = report.acceptance.accepted
    return found


def page(report: Report, pictures: Sequence[str]) -> str:
    """The report for people, as Markdown."""
    sections = (
        _head(report),
        _acceptance(report),
        _figures(report),
        _pictures(pictures),
        _early(report),
        _families(report),
        _features(report),
        _records(report),
    )
    texts = ("\n".join(lines).strip() for lines in sections)
    return "\n\n".join(text for text in texts if text) + "\n"


def _head(report: Report) -> Iterator[str]:
    yield f"# Bot model {report.evaluation.model}"
    yield ""
    yield f"Made {report.created}. Digest `{report.digest}`."
    if report.acceptance is not None:
        yield ""
        yield "**Accepted.**" if report.acceptance.accepted else "**Refused.**"


def _acceptance(report: Report) -> Iterator[str]:
    if report.acceptance is None:
        return
    yield from ("## Acceptance", "", "| check | outcome | numbers |", "|---|---|---|")
    for check in report.acceptance.checks:
        forced = check.name in report.acceptance.forced
        outcome = "passed" if check.passed else "forced" if forced else "**failed**"
        yield f"| {check.name} | {outcome} | {_cell(check.words)} |"


def _figures(report: Report) -> Iterator[str]:
    new, old = report.evaluation, report.current
    yield from ("## Figures", "")
    known = "that were not trained on" if report.parts else "(some may have been trained on)"
    yield f"Measured on {new.rows:,} requests of {new.clients:,} clients {known}."
    yield ""
    yield f"| figure | {_cell(new.model)} |" + (f" {_cell(old.model)} |" if old else "")
    yield "|---|---|" + ("---|" if old else "")
    mine, before = headline(new), headline(old) if old else {}
    for name in sorted(mine | before):
        line = f"| {name} | {_number(mine.get(name))} |"
        yield line + (f" {_number(before.get(name))} |" if old else "")
    clients = new.false_positive_clients
    yield ""
    yield (
        f"At the operating score {new.operating.score or '(there is none)'}, {clients.count} of "
        f"{clients.of:,} people have at least one request that is taken for automated (at most "
        f"{_percent(clients.upper)} with 95 % confidence). Requests of one person are not "
        "independent, so this figure is the one to go by."
    )
    if not new.operating.proven:
        yield ""
        yield "The false-positive budget is **not shown** to be kept: too few human requests."
    yield from ("", *(f"* {note}" for note in report.notes))


def _pictures(pictures: Sequence[str]) -> Iterator[str]:
    for name in pictures:
        yield f"![{_ALT[name]}]({name})"
        yield ""


def _early(report: Report) -> Iterator[str]:
    yield "## After how many requests"
    yield ""
    yield "Clients of which at least one of the first requests is at or below the operating score."
    yield ""
    yield "| class | requests | clients caught | share | 90 % interval |"
    yield "|---|---|---|---|---|"
    for each in report.evaluation.early:
        yield f"| {each.label} | {each.requests} | {_share_cells(each.caught)} |"


def _families(report: Report) -> Iterator[str]:
    yield "## Families"
    yield ""
    yield (
        "Requests at or below the operating score: wanted of bots, harm to people. Tools are "
        "automated for the model; policy protects them. Unseen: nothing of it was trained on."
    )
    yield ""
    yield "| class | family | test | caught | share | 90 % interval | clients | median score |"
    yield "|---|---|---|---|---|---|---|---|"
    order = {label: place for place, label in enumerate(CLASSES)}
    for family in sorted(report.evaluation.families, key=lambda f: (order[f.label], f.name)):
        yield _family(family)


def _family(family: Family) -> str:
    part = f"**{family.part}**" if family.part == UNSEEN else family.part
    return (
        f"| {family.label} | {_cell(family.name)} | {part} | {_share_cells(family.caught)} "
        f"| {family.clients.count} of {family.clients.of} | {family.middle} |"
    )


def _features(report: Report) -> Iterator[str]:
    yield from ("## What the model looks at", "", "| feature | moves | meaning |", "|---|---|---|")
    for name, moved in list(report.evaluation.importance.items())[:_FEATURES_SHOWN]:
        if moved > 0:
            yield f"| {name} | {moved:.3f} | {_cell(MEANINGS.get(name, ''))} |"


def _records(report: Report) -> Iterator[str]:
    loaded = report.loaded
    yield "## Records"
    yield ""
    yield (
        f"{loaded.lines:,} lines read, {loaded.kept:,} kept, {loaded.without:,} without a vector, "
        f"{loaded.garbled:,} garbled."
    )
    if report.parts:
        parts = ", ".join(f"{count:,} {name}" for name, count in report.parts.items())
        yield f"Rows after bounds by client and family: {parts}."
    yield from ("", "| label | source | records | overruled |", "|---|---|---|---|")
    for each in report.labels:
        yield f"| {each.label} | {each.source or '-'} | {each.records:,} | {each.overruled:,} |"


def _share_cells(found: Share) -> str:
    interval = f"{_percent(found.lower)} to {_percent(found.upper)}" if found.of else "-"
    return f"{found.count} of {found.of} | {_percent(found.value)} | {interval}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:.4f}"


def _cell(text: str) -> str:
    """Text of others in a table: neither a new cell nor a new line."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
