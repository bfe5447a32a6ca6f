"""Instructions per request, counted by Valgrind: what it costs where time cannot be measured.

Whoever shares the machine makes a request take longer, but not more instructions. So the counts
show a change that no measurement of time could. They leave out the kernel and what caches miss,
and a proxy under load is woken less often than by requests that come one by one.

Each Envoy runs from a file, without an agent beside it, and records no request, as a busy node
does with most.
"""

import contextlib
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.load import BROWSER, one_by_one
from bench.origin import origin
from bench.process import Program, wait_until
from bench.targets import BOTS, Place, Target, bare_bootstrap, edge_bootstrap, envoy_of

BASE = "envoy"
TOOL = "valgrind"
WARM_UP_REQUESTS = 1_500
"""Before anything is counted: LuaJIT has compiled by then what it compiles."""
LIVES = 3
"""How often each Envoy is started anew: LuaJIT compiles slightly differently in each life."""
_CONTROL = "callgrind_control"
_OUT = "callgrind.out"


@dataclass(frozen=True)
class Count:
    """One target under one protocol.

    Attributes:
        instructions: in user space for each request, median of the lives.
        least: of one life; `most` likewise.
        ratio: of `instructions` to the bare Envoy's.
        bots: of an edge that looks at bots, how many more than `seawall`.
    """

    target: str
    protocol: str
    instructions: int
    least: int
    most: int
    ratio: float
    bots: int | None = None


def counts(requests: int) -> list[Count]:
    """Count `requests` of every target in each of its lives, over HTTP/1.1."""
    if not (shutil.which(TOOL) and shutil.which(_CONTROL)):
        raise SystemExit(f"Instructions are counted by {TOOL}, which is not installed.")
    taken: dict[tuple[str, str], list[int]] = {}
    for _ in range(LIVES):
        for name in (BASE, *BOTS):
            for protocol, instructions in _life(name, requests):
                taken.setdefault((protocol, name), []).append(instructions)
    median = {key: round(statistics.median(lives)) for key, lives in taken.items()}
    without_bots, *scoring = BOTS
    return [
        Count(
            name,
            protocol,
            median[protocol, name],
            min(lives),
            max(lives),
            median[protocol, name] / median[protocol, BASE],
            median[protocol, name] - median[protocol, without_bots] if name in scoring else None,
        )
        for (protocol, name), lives in taken.items()
    ]


def _life(name: str, requests: int) -> Iterator[tuple[str, int]]:
    """Start one target, and count each protocol in turn."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seawall-bench-")))
        (root / "origin").mkdir()
        place = Place(root, stack.enter_context(origin(root / "origin")), time.time())
        target = stack.enter_context(_counted(name, place))
        for protocol in ("h1", BROWSER):
            one_by_one(protocol, target.port, WARM_UP_REQUESTS)
            _control(target.program, root, "--instr=on")
            one_by_one(protocol, target.port, requests)
            _control(target.program, root, "--instr=off")
            yield protocol, _dumped(target.program, root) // requests


def _counted(name: str, place: Place) -> contextlib.AbstractContextManager[Target]:
    built = bare_bootstrap(place) if name == BASE else edge_bootstrap(place, BOTS[name], 0)
    counter = (TOOL, "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={_OUT}")
    return envoy_of(name, place, built, under=counter)


def _dumped(program: Program, directory: Path) -> int:
    """The instructions since the last dump, of all threads."""
    before = set(directory.glob(f"{_OUT}.*"))
    _control(program, directory, "--dump")

    def written() -> set[Path]:
        return {path for path in directory.glob(f"{_OUT}.*") if path not in before}

    wait_until(lambda: any(_total(path) is not None for path in written()), "counts are written")
    return sum(_total(path) or 0 for path in written())


def _total(path: Path) -> int | None:
    """What a dump adds up to; None while it is being written."""
    for line in reversed(path.read_text().splitlines()):
        if line.startswith("totals:"):
            return int(line.split()[1])
    return None


def _control(program: Program, directory: Path, order: str) -> None:
    subprocess.run(
        [_CONTROL, order, str(program.pid)],
        cwd=directory,
        capture_output=True,
        check=True,
        timeout=60,
    )
