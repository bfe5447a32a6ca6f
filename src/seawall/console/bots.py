"""Training as it happens, and its outcome: checks first, then figures, then families."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from rich.console import RenderableType

from seawall import limits
from seawall.bots.features import FEATURES
from seawall.clock import Clock
from seawall.console.output import Output, joined, styled, tick
from seawall.console.releases import pairs, plain_table
from seawall.console.words import count, duration, share, size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.progress import Progress, TaskID
    from rich.text import Text

    from seawall.bots.model import Model
    from seawall.learn.course import Outcome
    from seawall.learn.drift import Drift
    from seawall.learn.evaluate import Evaluation, Family
    from seawall.learn.explain import Explanation
    from seawall.learn.metrics import Share
    from seawall.learn.records import Loaded

_REASONS_SHOWN: Final = 12
_FAMILIES_SHOWN: Final = 12
_FEATURES_SHOWN: Final = 15
_BAR_CHARS: Final = 20
_STATES: Final = {"steady": "green", "moved": "yellow", "alarm": "bold red", "too little": "dim"}


class Steps:
    """Progress bars on standard error; without a terminal a line for each step, with its time."""

    def __init__(self, output: Output, clock: Clock) -> None:
        self._output = output
        self._clock = clock
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._step = ""
        self._began_s = 0.0

    def __enter__(self) -> Self:
        if self._output.err.is_terminal and not self._output.json_format:
            self._bars = _bars(self._output)
            self._bars.start()
        return self

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        self._end(good=error is None)
        if self._bars is not None:
            self._bars.stop()

    def tell(self, step: str, done: int, of: int) -> None:
        """How far a step is; `of` is 0 when nobody knows."""
        if step != self._step:
            self._end(good=True)
            self._step, self._began_s = step, self._clock.monotonic_s()
        if self._bars is None:
            return
        if step not in self._tasks:
            self._tasks[step] = self._bars.add_task(step, total=of or None)
        self._bars.update(self._tasks[step], completed=done, total=of or None)

    def _end(self, *, good: bool) -> None:
        if not self._step:
            return
        if self._bars is not None:
            if good:
                self._bars.update(self._tasks[self._step], total=1, completed=1)
        elif not self._output.json_format:
            took = duration(self._clock.monotonic_s() - self._began_s)
            self._output.show_aside(
                joined(
                    tick(self._output.err, good=good),
                    styled(f" {self._step:<24}"),
                    styled(f"{took:>8}", "dim"),
                )
            )
        self._step = ""


def outcome(output: Output, found: "Outcome", folder: "Path | None") -> list[RenderableType]:
    """What became of a training or measuring."""
    report = found.report
    loaded = report.loaded
    parts: list[RenderableType] = [
        styled(
            f"{count(loaded.kept, 'record')} with a vector, {loaded.without:,} without, "
            f"{loaded.garbled:,} garbled.",
            "dim",
        ),
        _labels(found),
        _figures(report.evaluation, report.current),
        _families(report.evaluation),
    ]
    parts += [joined(styled("note: ", "yellow"), styled(note)) for note in report.notes]
    if found.acceptance is not None:
        parts += _checks(output, found)
    if folder is not None:
        parts.append(styled(f"Report: {folder / 'report.md'}"))
    return parts


def outcome_json(found: "Outcome") -> dict[str, Any]:
    """The whole report, and where the model lies."""
    from seawall.learn.report import to_json  # noqa: PLC0415 - needs the extra

    return to_json(found.report) | {"written": str(found.written) if found.written else None}


def explanation(model: "Model", found: "Explanation") -> list[RenderableType]:
    """A score and its reasons, the largest first."""
    parts: list[RenderableType] = [
        joined(
            styled(f"Score {found.score}", "bold"),
            styled(
                f" of model {model.name}: {_meaning(found.score)} (log-odds {found.margin:+.2f})"
            ),
        )
    ]
    top = max((abs(reason.moved) for reason in found.reasons), default=1.0)
    table = plain_table("towards", "by", "", "feature", "says")
    for reason in found.reasons[:_REASONS_SHOWN]:
        human = reason.moved > 0
        colour = "blue" if human else "yellow"
        table.add_row(
            styled("human" if human else "automated", colour),
            styled(f"{reason.moved:+.2f}"),
            styled("#" * max(1, round(abs(reason.moved) / top * _BAR_CHARS)), colour),
            styled(reason.feature, "bold"),
            styled(reason.words),
        )
    parts.append(table)
    hidden = len(found.reasons) - _REASONS_SHOWN
    if hidden > 0:
        parts.append(styled(f"{count(hidden, 'feature')} more moved it less.", "dim"))
    return parts


def drift(found: "Drift", loaded: "tuple[Loaded, Loaded]") -> list[RenderableType]:
    """Features that moved, and unknown handshakes."""
    table = plain_table("feature", "index", "state", "meaning")
    shown = [each for each in found.features if each.index is not None][:_FEATURES_SHOWN]
    meanings = {feature.name: feature.meaning for feature in FEATURES}
    for each in shown:
        table.add_row(
            styled(each.feature, "bold"),
            styled("-" if each.index is None else f"{each.index:.3f}"),
            styled(each.state.value, _STATES[each.state.value]),
            styled(meanings[each.feature], "dim"),
        )
    unknown = found.unknown
    return [
        styled(
            f"{count(loaded[0].kept, 'record')} before, {loaded[1].kept:,} after, with a vector.",
            "dim",
        ),
        table,
        joined(
            styled("Unknown JA4: "),
            styled(f"{share(unknown.before)} before, {share(unknown.after)} after: "),
            styled(unknown.state.value, _STATES[unknown.state.value]),
        ),
        joined(styled("Together: "), styled(found.state.value, _STATES[found.state.value])),
    ]


def model(found: "Model", digest: str) -> list[RenderableType]:
    """What a model file holds."""
    nodes = sum(len(tree.feature) for tree in found.trees)
    facts = pairs(
        [
            ("model", styled(found.name, "bold")),
            ("created", styled(found.created)),
            ("digest", styled(digest)),
            ("replaces", styled(found.parent or "nothing")),
            ("trees", styled(f"{len(found.trees)} with {count(nodes, 'split')}")),
            ("proofs", styled(count(len(found.golden), "golden vector"))),
            (
                "at most",
                styled(
                    f"{limits.BOT_FEATURES_MAX} features, {limits.BOT_TREES_MAX} trees, "
                    f"{size(limits.BOT_MODEL_SIZE_BYTES_MAX)}"
                ),
            ),
        ]
    )
    metrics = plain_table("metric", "value")
    for name, value in found.metrics.items():
        metrics.add_row(styled(name), styled(f"{value:g}"))
    features = plain_table("feature", "splits", "meaning")
    splits = _splits(found)
    meanings = {feature.name: feature.meaning for feature in FEATURES}
    for name in sorted(splits, key=lambda each: (-splits[each], each)):
        features.add_row(
            styled(name, "bold"), styled(str(splits[name])), styled(meanings[name], "dim")
        )
    return [facts, styled(""), metrics, styled(""), features]


def model_json(found: "Model", digest: str) -> dict[str, Any]:
    """What a model file holds, without its trees."""
    return {
        "name": found.name,
        "created": found.created,
        "digest": digest,
        "parent": found.parent or None,
        "trees": len(found.trees),
        "splits": _splits(found),
        "golden": len(found.golden),
        "metrics": dict(found.metrics),
    }


def _splits(found: "Model") -> Mapping[str, int]:
    splits = dict.fromkeys(found.features, 0)
    for tree in found.trees:
        for place in tree.feature:
            splits[found.features[place]] += 1
    return splits


def _labels(found: "Outcome") -> RenderableType:
    table = plain_table("label", "from", "records", "overruled")
    for each in found.report.labels:
        table.add_row(
            *(styled(each.label), styled(each.source or "-")),
            *(styled(f"{each.records:,}"), styled(f"{each.overruled:,}")),
        )
    return table


def _figures(new: "Evaluation", old: "Evaluation | None") -> RenderableType:
    table = plain_table("measured", new.model, *((f"before: {old.model}",) if old else ()))
    columns = [_column(each) for each in (new, old) if each is not None]
    for place, name in enumerate(columns[0]):
        cells = [styled(list(column.values())[place]) for column in columns]
        table.add_row(styled(name, "bold"), *cells)
    return table


def _column(found: "Evaluation") -> Mapping[str, str]:
    point, worst = found.operating, found.worst
    return {
        "requests": f"{found.rows:,} of {count(found.clients, 'client')}",
        "area under the ROC": f"{found.auc:.4f}",
        "operating score": str(point.score) if point.score else "none",
        "people caught": _share(point.false_positives),
        "people caught, by client": _share(found.false_positive_clients),
        "bots caught": share(found.detection),
        "of unseen families": share(found.unseen),
        "worst family": f"{worst.name}: {share(worst.caught.value)}" if worst else "-",
        "calibration error": f"{found.calibration_error:.3f}",
    }


def _share(found: "Share") -> str:
    if found.upper is None:
        return "none seen"
    return f"{found.count} of {found.of:,}; at most {share(found.upper)}"


def _families(found: "Evaluation") -> RenderableType:
    """People who are caught, and the bots that are caught least."""
    people = [f for f in found.families if f.label == "human" and f.caught.count]
    bots = sorted(
        (f for f in found.families if f.label == "bot"), key=lambda f: f.caught.value or 0.0
    )
    table = plain_table("class", "family", "test", "caught", "of", "share", "median score")
    for family in (people + bots)[:_FAMILIES_SHOWN]:
        table.add_row(*_family(family))
    return table


def _family(family: "Family") -> "Sequence[Text]":
    style = "bold red" if family.label == "human" else ""
    return (
        styled(family.label, style),
        styled(family.name),
        styled(family.part, "dim"),
        styled(f"{family.caught.count:,}"),
        styled(f"{family.caught.of:,}"),
        styled(share(family.caught.value)),
        styled(str(family.middle)),
    )


def _checks(output: Output, found: "Outcome") -> list[RenderableType]:
    acceptance = found.acceptance
    if acceptance is None:
        return []
    parts: list[RenderableType] = []
    for check in acceptance.checks:
        forced = check.name in acceptance.forced and not check.passed
        parts.append(
            joined(
                tick(output.out, good=check.passed),
                styled(f" {check.name:<22}", "bold"),
                styled("forced: " if forced else "", "yellow"),
                styled(check.words),
            )
        )
    digest = found.report.digest
    if acceptance.accepted:
        where = f" and written to {found.written}" if found.written else "; --out was not given"
        parts.append(styled(f"Accepted{where}. Digest {digest}.", "bold green"))
    else:
        names = " ".join(f"--force {check.name}" for check in acceptance.failed)
        kept = f" It is in {found.written}." if found.written else ""
        parts.append(styled(f"Refused; the current model stays.{kept}", "bold red"))
        parts.append(styled(f"If you know better: {names}", "dim"))
    return parts


def _meaning(score: int) -> str:
    return f"about {score} of 100 such requests are of people, if half of all are"


def _bars(output: Output) -> "Progress":
    from rich.progress import (  # noqa: PLC0415 - only a terminal that draws pays for it
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=output.err,
    )
