"""`python -m bench`: run all measurements, print the tables; see docs/performance.md."""

import argparse
import compileall
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import seawall
from bench import cpu, instructions, report
from bench.size import size

USUAL = ("cpu", "size")
PARTS = (*USUAL, "instructions")
_COUNTED_REQUESTS_MAX = 2_000
"""Of one target in one life: under Valgrind a request takes fifty times as long."""


def main() -> int:
    """Measure, print, and exit with 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="measure one part alone")
    parser.add_argument("--rounds", type=int, default=9, help="alternating rounds (9)")
    parser.add_argument("--requests", type=int, default=25_000, help="requests a round (25,000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the tables into this page")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)  # as Ctrl-C: what was started is stopped
    _keep_bytecode()
    parts = (options.only,) if options.only else USUAL
    costs = cpu.costs(options.rounds, options.requests) if "cpu" in parts else []
    large = size() if "size" in parts else None
    counted = (
        instructions.counts(min(options.requests, _COUNTED_REQUESTS_MAX))
        if "instructions" in parts
        else []
    )
    tables = report.markdown(costs, large, counted)
    print(tables, end="")
    if options.json:
        options.json.write_text(report.as_json(costs, large, counted) + "\n")
    if options.page:
        options.page.write_text(report.into_page(options.page.read_text(), tables))
    return 0 if all(goal.reached for goal in report.goals(costs, large)) else 1


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _keep_bytecode() -> None:
    """Let commands start as they do after an installation: with their modules compiled."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(Path(seawall.__file__).parent, quiet=2)


if __name__ == "__main__":
    sys.exit(main())
