"""`python -m tools.soak --seconds 600 --seed 7`: see the package."""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.process import accepts, free_port, running, wait_until

import tools.soak
from seawall.clock import SystemClock
from tools.soak.edge import Edge
from tools.soak.plan import deeds
from tools.soak.run import Journal, Soak
from tools.soak.visitors import Visitors

SECONDS: Final = 600.0
SEED: Final = 1
_ROOT: Final = Path(__file__).parents[2]


def main() -> int:
    """Run; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.soak",
        description=tools.soak.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"({SECONDS:.0f})")
    parser.add_argument("--seed", type=int, default=SEED, help=f"({SEED})")
    parser.add_argument("--keep", action="store_true", help="keep the logs of a good run, too")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix=f"seawall-soak-{options.seed}-"))
    with prepared(home, f"seed {options.seed}, {options.seconds:.0f} s") as soak:
        soak.run(deeds(options.seed), options.seconds)
    broken = soak.journal.broken
    if broken or options.keep:
        print(f"\nAll logs are in {home}; the same deeds: make soak SEED={options.seed}")
    else:
        soak.edge.remove()
    return 1 if broken else 0


@contextlib.contextmanager
def prepared(home: Path, title: str) -> Iterator[Soak]:
    """A run in that directory, with its origin; its summary is printed at the end of the block."""
    clock = SystemClock()
    edge = Edge(home, free_port(), clock)
    origin_port = free_port()
    command = [sys.executable, "-m", "tools.soak.origin", str(origin_port)]
    with (home / "soak.log").open("w") as file, running(command, _ROOT, log_dir=home):
        wait_until(lambda: accepts(origin_port), "the origin listens")
        journal = Journal(clock, file, clock.monotonic_s())
        journal.say(f"{title}, in {home}")
        soak = Soak(edge, Visitors(edge.port, clock), journal, clock, origin_port)
        try:
            yield soak
        finally:
            summary = "\n".join(["", soak.table(), *(f"BROKEN  {one}" for one in journal.broken)])
            print(summary, flush=True)
            file.write(f"{summary}\n")


if __name__ == "__main__":
    sys.exit(main())
