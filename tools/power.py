"""How good the judge is, counted: `python -m tools.power` rewrites the tables of docs/judge.md.

Everything is drawn from fixed seeds, so the same judge gives the same page. `quick` is a small part
of it that a test recomputes: a page that no longer fits the judge fails the tests.
"""

import argparse
import math
import random  # noqa: TID251 - worlds are drawn from generators that are seeded here
import statistics
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.judge.gates import GATES_BY_NAME
from seawall.judge.judge import requests_needed
from tools.rollouts import DEADLINE_S, SHARES, Fault, Outcome, World, a_world, rollout

PAGE: Final = Path(__file__).parents[1] / "docs" / "judge.md"
BEGIN: Final = "<!-- figures: python -m tools.power -->"
END: Final = "<!-- end of figures -->"
AA_ROLLOUTS: Final = 10_000
AA_DEADLINE_S: Final = 60.0
CELL_ROLLOUTS: Final = 100
QUICK_ROLLOUTS: Final = 15
POWER_SHARES: Final = (0.01, 0.05, 0.1, 0.25, 0.5)
POWER_ERRORS: Final = (1.0, 0.5, 0.2, 0.05, 0.02)
USUAL_ERRORS: Final = 0.005
RATE_PER_S: Final = 100.0
_POWER_DEADLINE_S: Final = 300.0
_FALSE_MAX: Final = 0.001
_FAILED_MAX: Final = 10
_TOOK_S_MAX: Final = 10.0
_MOST: Final = 0.95
_REQUESTS_ABOUT: Final = 220


@dataclass(frozen=True)
class Cell:
    """Many rollouts of one world and fault."""

    world: World
    fault: Fault
    shares: tuple[float, ...]
    deadline_s: float
    rollouts: int


def false_alarms(rollouts: int) -> tuple[list[tuple[int, World, Outcome]], int]:
    """The A/A rollouts that were called unhealthy, and how many were promoted on evidence."""
    with ProcessPoolExecutor() as pool:
        ends = [*pool.map(_aa, range(rollouts), chunksize=20)]
    wrong = [(seed, *end) for seed, end in enumerate(ends) if end[1].end == "unhealthy"]
    return wrong, sum(end.end == "promoted" for _, end in ends)


def run(cell: Cell) -> list[Outcome]:
    """All rollouts of a cell."""
    return [
        rollout(cell.world, cell.fault, seed, shares=cell.shares, deadline_s=cell.deadline_s)
        for seed in range(cell.rollouts)
    ]


def power_cell(share: float, errors: float, *, rollouts: int) -> Cell:
    """A bad candidate at one share of a site with 100 requests/s and 0.5 % errors."""
    world = World(RATE_PER_S, USUAL_ERRORS)
    return Cell(world, Fault(errors=errors), (share,), _POWER_DEADLINE_S, rollouts)


def quick() -> str:
    """A few figures that take seconds: what the test compares with the page."""
    cells = [
        ("100 % at a 1 % share", power_cell(0.01, 1.0, rollouts=QUICK_ROLLOUTS)),
        ("5 % at a 5 % share", power_cell(0.05, 0.05, rollouts=QUICK_ROLLOUTS)),
        ("as before, all steps at 1,000 requests/s",
         Cell(World(1000.0), Fault(), SHARES, DEADLINE_S, QUICK_ROLLOUTS)),
    ]  # fmt: skip
    lines = [f"| errors of the candidate | ends ({QUICK_ROLLOUTS} rollouts) | requests | seconds |",
             "|---|---|---|---|"]  # fmt: skip
    for title, cell in cells:
        ends = run(cell)
        kinds = sorted({end.end for end in ends})
        counted = ", ".join(f"{sum(e.end == kind for e in ends)} {kind}" for kind in kinds)
        lines.append(
            f"| {title} | {counted} | {_median(e.requests for e in ends)} "
            f"| {_median(e.took_s for e in ends)} |"
        )
    return "\n".join(lines) + "\n"


def figures(aa_rollouts: int) -> tuple[str, list[str]]:
    """All tables, and the goals that were missed."""
    missed: list[str] = []
    wrong, promoted = false_alarms(aa_rollouts)
    if len(wrong) > _FALSE_MAX * aa_rollouts:
        missed.append(f"{len(wrong)} false rollbacks of {aa_rollouts}")
    parts = [
        _false_alarm_text(aa_rollouts, wrong, promoted),
        _power_table(missed),
        _promotion_table(),
        _rollout_table(),
        f"Figures that the tests recompute:\n\n{quick()}",
    ]
    return "\n".join(parts), missed


def into_page(page: str, text: str) -> str:
    """`page` with `text` between the markers."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{text}\n{END}{tail}"


def _aa(seed: int) -> tuple[World, Outcome]:
    world = a_world(random.Random(seed))  # noqa: S311 - a simulation
    return world, rollout(world, Fault(), seed, deadline_s=AA_DEADLINE_S)


def _false_alarm_text(
    rollouts: int, wrong: Sequence[tuple[int, World, Outcome]], promoted: int
) -> str:
    bound = _upper(len(wrong), rollouts)
    text = (
        f"**False alarms.** {rollouts:,} rollouts of a release that changes nothing, each in a "
        f"world of its own, each step looked at every 2 s for up to {AA_DEADLINE_S:.0f} s: "
        f"**{len(wrong)} were called unhealthy** ({len(wrong) / rollouts:.3%}; "
        f"with 95 % confidence at most {bound:.3%}). {promoted:,} went through all steps on "
        "evidence; the others had a step where too few requests came before its deadline.\n"
    )
    for seed, world, end in wrong:
        text += (
            f"* Seed {seed}: gate `{end.gate}`, {world.rate_per_s:,.0f} requests/s, "
            f"{world.errors:.2%} errors, {world.per_connection:.0f} requests a connection, "
            f"{world.clumped:.0%} of the errors on connections that only fail.\n"
        )
    return text


def _power_table(missed: list[str]) -> str:
    cells = {
        (share, errors): power_cell(share, errors, rollouts=CELL_ROLLOUTS)
        for share in POWER_SHARES
        for errors in POWER_ERRORS
    }
    with ProcessPoolExecutor() as pool:
        found = dict(zip(cells, pool.map(run, cells.values()), strict=True))
    text = (
        f"**Power.** Requests that met the candidate until it was called unhealthy: median / 95th "
        f"percentile of {CELL_ROLLOUTS} rollouts on a site with {RATE_PER_S:.0f} requests/s and "
        f"{USUAL_ERRORS:.1%} errors. In brackets how many were not called unhealthy in this step, "
        "because the harm is inside the step's margin.\n\n"
        f"| share | {' | '.join(f'{errors:.0%} errors' for errors in POWER_ERRORS)} |\n"
        f"|---{'|---' * len(POWER_ERRORS)}|\n"
    )
    for share in POWER_SHARES:
        row = [_power_text(found[share, errors]) for errors in POWER_ERRORS]
        text += f"| {share:.0%} | {' | '.join(row)} |\n"
    failed = _percentile([end.failed for end in found[0.01, 1.0]], 0.95)
    gone = found[0.01, 1.0]
    soon = sum(e.failed <= _FAILED_MAX or e.took_s <= _TOOK_S_MAX for e in gone) / len(gone)
    if soon < _MOST:
        missed.append(f"only {soon:.0%} soon enough at a 1 % share")
    about = statistics.median(end.requests for end in found[0.05, 0.05])
    if about > _REQUESTS_ABOUT:
        missed.append(f"{about:.0f} requests for 5 % errors at a 5 % share")
    return (
        f"{text}\nA release that fails every request at a 1 % share is called unhealthy after "
        f"{_median(end.failed for end in found[0.01, 1.0])} failed requests in the median, "
        f"{failed:.0f} at the 95th percentile; {soon:.0%} within {_FAILED_MAX} failed requests or "
        f"{_TOOK_S_MAX:.0f} s. 5 % against 0.5 % errors at a 5 % share takes "
        f"{about:.0f} requests in the median.\n"
    )


def _power_text(ends: Sequence[Outcome]) -> str:
    caught = [end.requests for end in ends if end.end == "unhealthy"]
    passed = len(ends) - len(caught)
    if len(caught) < len(ends) / 2:
        return f"({passed / len(ends):.0%})"
    text = f"{_median(caught)} / {_percentile(caught, 0.95):.0f}"
    return f"{text} ({passed / len(ends):.0%})" if passed else text


def _promotion_table() -> str:
    levels = (0.0, 0.005, 0.02, 0.1)
    text = (
        "**Promotion.** Requests on the candidate until a release that changes nothing may leave "
        f"a step, median / 95th percentile of {CELL_ROLLOUTS} rollouts, and the seconds that "
        f"takes at {RATE_PER_S:.0f} requests/s, by the share of errors that is usual on the site. "
        "The margin is what must be ruled out for 5xx.\n\n"
        f"| share | margin | at least | {' | '.join(f'{e:.1%} errors' for e in levels)} |\n"
        f"|---|---|---{'|---' * len(levels)}|\n"
    )
    errors = GATES_BY_NAME["errors"]
    cells = [
        Cell(World(RATE_PER_S, level), Fault(), (share,), 1200.0, CELL_ROLLOUTS)
        for share in POWER_SHARES
        for level in levels
    ]
    with ProcessPoolExecutor() as pool:
        found = iter([*pool.map(run, cells)])
    for share in POWER_SHARES:
        row = []
        for _ in levels:
            ends = [end for end in next(found) if end.end == "promoted"]
            requests = [end.requests for end in ends]
            row.append(
                f"{_median(requests)} / {_percentile(requests, 0.95):.0f} "
                f"({_median(end.took_s for end in ends)} s)"
            )
        needed = requests_needed(errors, share)
        text += (
            f"| {share:.0%} | {errors.margin(share) or 0:.1%} | {needed} | {' | '.join(row)} |\n"
        )
    return text


def _rollout_table() -> str:
    text = (
        "**Whole rollouts.** The default steps, a release that changes nothing, by the requests "
        f"of the site: {CELL_ROLLOUTS} rollouts each. A step that has no verdict at "
        f"{DEADLINE_S:.0f} s is left on golden requests alone, if the policy says so.\n\n"
        "| requests/s | on evidence alone | seconds: median | 95th percentile |\n"
        "|---|---|---|---|\n"
    )
    rates = (10.0, 50.0, 100.0, 300.0, 1000.0, 5000.0)
    cells = [Cell(World(r), Fault(), SHARES, DEADLINE_S, CELL_ROLLOUTS) for r in rates]
    with ProcessPoolExecutor() as pool:
        for rate, ends in zip(rates, pool.map(run, cells), strict=True):
            took = [end.took_s for end in ends]
            promoted = sum(end.end == "promoted" for end in ends) / len(ends)
            text += (
                f"| {rate:,.0f} | {promoted:.0%} | {_median(took)} "
                f"| {_percentile(took, 0.95):.0f} |\n"
            )
    return text


def _median(values: Iterable[float]) -> str:
    found = [*values]
    return f"{statistics.median(found):.0f}" if found else "-"


def _percentile(values: Iterable[float], share: float) -> float:
    found = sorted(values)
    return found[min(len(found) - 1, math.ceil(share * len(found)) - 1)] if found else math.nan


def _upper(wrong: int, of: int) -> float:
    """95 % upper bound of a share, by bisection on the Poisson law."""
    least, most = 0.0, wrong + 20.0
    for _ in range(60):
        mean = (least + most) / 2
        below = sum(
            math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(wrong + 1)
        )
        least, most = (mean, most) if below > 0.05 else (least, mean)  # noqa: PLR2004 - 95 %
    return least / of


def main() -> int:
    """Rewrite the page; exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m tools.power", description=__doc__)
    parser.add_argument("--rollouts", type=int, default=AA_ROLLOUTS, help="A/A rollouts (10,000)")
    parser.add_argument("--print", action="store_true", help="print the tables, write nothing")
    options = parser.parse_args()
    text, missed = figures(options.rollouts)
    if options.print:
        print(text)
    else:
        PAGE.write_text(into_page(PAGE.read_text(), text))
    for goal in missed:
        print(f"goal missed: {goal}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
