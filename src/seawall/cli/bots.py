"""`bots train|eval|explain|drift|show`: on files, without a running edge."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seawall import limits
from seawall.clock import SystemClock
from seawall.console import bots as console
from seawall.console.output import Output
from seawall.exit_codes import DONE, REFUSED
from seawall.learn import needs
from seawall.learn.explain import explain as explain_vector
from seawall.learn.modelfile import read_model

if TYPE_CHECKING:
    from seawall.learn.course import Source

STANDARD_INPUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Named:
    """Where the rows come from, as it was typed."""

    records: Sequence[Path]
    sessions: Path | None
    database: str
    bot_rules: Sequence[str]
    tool_rules: Sequence[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be trained, as it was typed."""

    name: str
    current: Path | None
    out: Path | None
    report: Path | None
    seed: int
    budget: float
    forced: Sequence[str]
    without: Sequence[str]


def train(output: Output, named: Named, wanted: Wanted) -> int:
    """Train a model; 1 when it is refused. Raises as `seawall.learn.course.train`."""
    needs.require()
    from seawall.learn import course  # noqa: PLC0415 - needs the extra

    order = course.Order(
        source=_source(named),
        name=wanted.name,
        current=wanted.current,
        out=wanted.out,
        report=wanted.report,
        seed=wanted.seed,
        budget=wanted.budget,
        forced=tuple(wanted.forced),
        without=tuple(wanted.without),
    )
    with console.Steps(output, SystemClock()) as steps:
        outcome = course.train(order, SystemClock(), steps.tell)
    if output.json_format:
        output.write_json(console.outcome_json(outcome))
    else:
        output.show(*console.outcome(output, outcome, wanted.report))
    return DONE if outcome.acceptance is not None and outcome.acceptance.accepted else REFUSED


def measure(output: Output, model: Path, named: Named, budget: float, report: Path | None) -> int:
    """Measure a model. Raises as `seawall.learn.course.measure`."""
    needs.require(*needs.MEASURING)
    from seawall.learn import course  # noqa: PLC0415 - needs the extra

    with console.Steps(output, SystemClock()) as steps:
        outcome = course.measure(
            model, _source(named), SystemClock(), steps.tell, budget=budget, folder=report
        )
    if output.json_format:
        output.write_json(console.outcome_json(outcome))
    else:
        output.show(*console.outcome(output, outcome, report))
    return DONE


def explain(output: Output, path: Path, text: str) -> int:
    """Explain a score.

    Raises:
        UsageError: there is no vector.
        RefusedError: the file holds no good model.
        UnreachableError: it cannot be read.
    """
    if text == STANDARD_INPUT:
        text = sys.stdin.read(limits.BOT_RECORD_LENGTH_CHARS_MAX)
    model, digest = read_model(path)
    found = explain_vector(model, text)
    if output.json_format:
        output.write_json({"model": model.name, "digest": digest} | asdict(found))
    else:
        output.show(*console.explanation(model, found))
    return DONE


def drift(output: Output, before: Sequence[Path], after: Sequence[Path], database: str) -> int:
    """Compare two times; 1 on an alarm. Raises as `seawall.learn.course.compare`."""
    needs.require("numpy")
    from seawall.learn import course  # noqa: PLC0415 - needs the extra
    from seawall.learn.drift import State  # noqa: PLC0415 - as above

    with console.Steps(output, SystemClock()) as steps:
        found, loaded = course.compare(before, after, database, steps.tell)
    if output.json_format:
        output.write_json(
            {"state": found.state.value, "records": [asdict(each) for each in loaded]}
            | asdict(found)
        )
    else:
        output.show(*console.drift(found, loaded))
    return REFUSED if found.state is State.ALARM else DONE


def show(output: Output, path: Path) -> int:
    """Show a model. Raises as `explain`."""
    model, digest = read_model(path)
    if output.json_format:
        output.write_json(console.model_json(model, digest))
    else:
        output.show(*console.model(model, digest))
    return DONE


def _source(named: Named) -> "Source":
    from seawall.learn import course, dataset  # noqa: PLC0415 - needs the extra

    rules = dataset.Rules(
        tuple(named.bot_rules) or dataset.BOT_RULES, tuple(named.tool_rules) or dataset.TOOL_RULES
    )
    return course.Source(tuple(named.records), named.sessions, named.database, rules)
