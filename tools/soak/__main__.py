"""`python -m tools.soak --seconds 600 --seed 7`: see the package."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.process import accepts, free_port, running, wait_until

import tools.soak
from seawall.clock import SystemClock
from tools.soak.edge import Edge
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
    soak = run(home, seed=options.seed, seconds=options.seconds)
    if soak.journal.broken or options.keep:
        print(f"\nThe logs are in {home}; the same deeds: make soak SEED={options.seed}")
    else:
        soak.edge.remove()
    return 1 if soak.journal.broken else 0


def run(home: Path, *, seed: int, seconds: float) -> Soak:
    """One run in that directory, with its summary on the terminal."""
    clock = SystemClock()
    edge = Edge(home, free_port(), clock)
    origin_port = free_port()
    command = [sys.executable, "-m", "tools.soak.origin", str(origin_port)]
    with (home / "soak.log").open("w") as file, running(command, _ROOT, log_dir=home):
        wait_until(lambda: accepts(origin_port), "the origin listens")
        journal = Journal(clock, file, clock.monotonic_s())
        journal.say(f"seed {seed}, {seconds:.0f} s, in {home}")
        soak = Soak(edge, Visitors(edge.port, clock), journal, clock, origin_port)
        try:
            soak.run(seed, seconds)
        finally:
            summary = soak.table()
            print(f"\n{summary}", flush=True)
            file.write(f"\n{summary}\n")
            for text in journal.broken:
                print(f"BROKEN  {text}")
    return soak


if __name__ == "__main__":
    sys.exit(main())
