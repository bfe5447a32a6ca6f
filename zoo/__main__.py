"""`python -m zoo`: make a data set (`run`), report on it (`report`, `folds`), list the clients."""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from seawall.bots import artifact
from zoo import folds, make, merge, prepare, report, show
from zoo.catalogue import ALL
from zoo.drivers import DRIVERS

_QUICK_MINUTES, _FULL_MINUTES = 6.0, 30.0
_FILE_COLUMNS = 200
"""Width of the tables where no terminal says how wide it is."""
_QUICK_SCALE, _FULL_SCALE = 0.05, 1.0


def main() -> int:
    """Do what was asked; 1 when it could not be done."""
    options = _parser().parse_args()
    console = Console(width=None if sys.stdout.isatty() else _FILE_COLUMNS)
    tools = prepare.Tools(options.python.absolute(), options.cache.resolve())
    if options.do == "list":
        return _list(console, tools)
    if options.do == "report":
        return _report(console, options.folder, options)
    if options.do == "merge":
        left_out = merge.merge(options.source, options.folder)
        console.print(f"{options.folder}; sessions left out: {left_out}")
        return 0
    if options.do == "folds":
        trainer = folds.seawall_trainer(options.without)
        made = folds.judge(options.folder, options.budget, trainer)
        return _show(console, made, options.folder / "folds", options)
    minutes = options.minutes or (_FULL_MINUTES if options.full else _QUICK_MINUTES)
    order = make.Order(
        folder=options.folder,
        minutes=minutes,
        scale=options.scale or (_FULL_SCALE if options.full else _QUICK_SCALE),
        seed=options.seed,
        only=tuple(options.only),
        sessions=options.sessions,
        site=options.site.read_text() if options.site else "",
    )
    if not make.make(console, tools, order):
        return 1
    return _report(console, options.folder, options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m zoo", description=__doc__)
    parser.add_argument(
        "do", nargs="?", choices=("run", "report", "folds", "merge", "list"), default="run"
    )
    home = Path(sys.prefix) / "zoo"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    parser.add_argument(
        "--folder", type=Path, default=Path("zoo-data") / stamp, help="the data set"
    )
    parser.add_argument(
        "--cache", type=Path, default=home / "cache", help="npm packages, built clients"
    )
    parser.add_argument(
        "--python", type=Path, default=home / "python/bin/python", help="with the clients"
    )
    parser.add_argument("--minutes", type=float, help="longest time of generation (6; full: 30)")
    parser.add_argument("--full", action="store_true", help="all sessions of all clients")
    parser.add_argument("--scale", type=float, help="share of a full set (0.05; full: 1)")
    parser.add_argument(
        "--seed", type=int, default=1, help="decides everything that clients let decide"
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="WORD",
        help="clients whose name holds it, or a class (human, tool, bot) or a driver (people)",
    )
    parser.add_argument(
        "--sessions", type=_positive, metavar="N", help="about so many sessions, instead of a scale"
    )
    parser.add_argument(
        "--from",
        dest="source",
        action="append",
        type=Path,
        default=[],
        metavar="FOLDER",
        help="a data set to merge",
    )
    parser.add_argument("--site", type=Path, help="further lines of the site in the site file")
    parser.add_argument(
        "--budget", type=float, default=0.001, help="false positives allowed (0.001)"
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="FEATURE",
        help="train folds without it, as `seawall bots train` does",
    )
    parser.add_argument("--threshold", type=int, help="judge this score; the people make none")
    parser.add_argument("--model", type=Path, metavar="FILE", help="score with this model instead")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report as JSON")
    parser.add_argument("--page", type=Path, metavar="FILE", help="also write it as Markdown")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a number of sessions")
    return number


def _list(console: Console, tools: prepare.Tools) -> int:
    lacks = prepare.missing(ALL, tools)
    table = Table("client", "family", "class", "kind", "sessions", "missing")
    for c in ALL:
        sessions = max(1, round(DRIVERS[c.driver].sessions * c.weight))
        table.add_row(
            c.name, c.family, c.label, c.kind, str(sessions), ", ".join(lacks.get(c.name, ()))
        )
    console.print(table)
    return 0


def _report(console: Console, folder: Path, options: argparse.Namespace) -> int:
    model = artifact.read(options.model.read_bytes()) if options.model else None
    scorer = report.scorer_of(model) if model else None
    made = report.of_folder(folder, options.budget, scorer, options.threshold)
    return _show(console, made, folder / "report", options)


def _show(console: Console, made: report.Report, place: Path, options: argparse.Namespace) -> int:
    console.print(show.tables(made))
    place.with_suffix(".json").write_text(show.as_json(made))
    place.with_suffix(".md").write_text(show.as_markdown(made))
    if options.json:
        options.json.write_text(show.as_json(made))
    if options.page:
        options.page.write_text(show.as_markdown(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
