"""CPU per request of each target, measured in alternating rounds of one run.

The ratio to the bare Envoy is taken within a round, and the median of the rounds is given: what
disturbs the machine disturbs neighbours alike. CPU time is the target's own, from /proc, so other
programs, the origin and the load generator do not count.
"""

import contextlib
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.load import generator, load
from bench.origin import origin
from bench.targets import Place, Target, available

BASE = "envoy"
OPERATED = "seawall"
RAMP_S = 10.5
"""Load before each measured run of the operated edge: two polls of its agent, which then knows how
busy the node is. Between its rounds the node rests, and records everything again."""
WARM_UP_REQUESTS = 5_000


@dataclass(frozen=True)
class Cost:
    """One target under one protocol.

    Attributes:
        cpu_us: CPU microseconds per request, median of the rounds.
        ratio: of `cpu_us` to the bare Envoy's, median of the rounds' own ratios.
        ratio_min: smallest and, below, largest ratio of a round: the noise.
        memory_bytes: resident memory after the load.
    """

    target: str
    protocol: str
    cpu_us: float
    ratio: float
    ratio_min: float
    ratio_max: float
    memory_bytes: int


def costs(rounds: int, requests: int) -> list[Cost]:
    """Measure every target that can run here, over HTTP/1.1 and HTTP/2 with TLS."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seawall-bench-")))
        (root / "origin").mkdir()
        port = stack.enter_context(origin(root / "origin"))
        targets = []
        for name, start in available().items():
            (root / name).mkdir()
            targets.append(stack.enter_context(start(Place(root / name, port, time.time()))))
        found = []
        for protocol in ("h1", "h2"):
            if generator(protocol) is not None:
                found += _protocol(targets, protocol, rounds, requests)
        return found


def _protocol(targets: list[Target], protocol: str, rounds: int, requests: int) -> list[Cost]:
    taken: dict[str, list[float]] = {target.name: [] for target in targets}
    for target in targets:
        _one(target, protocol, WARM_UP_REQUESTS)
    for number in range(rounds):
        turn = number % len(targets)
        for target in (*targets[turn:], *targets[:turn]):
            start_s = time.monotonic()
            while target.name == OPERATED and time.monotonic() - start_s < RAMP_S:
                _one(target, protocol, WARM_UP_REQUESTS)
            taken[target.name].append(_one(target, protocol, requests))
    found = []
    for target in targets:
        ratios = [own / base for own, base in zip(taken[target.name], taken[BASE], strict=True)]
        found.append(
            Cost(
                target.name,
                protocol,
                statistics.median(taken[target.name]),
                statistics.median(ratios),
                min(ratios),
                max(ratios),
                target.program.memory_bytes(),
            )
        )
    return found


def _one(target: Target, protocol: str, requests: int) -> float:
    """CPU microseconds per request of one run."""
    port = target.port if protocol == "h1" else target.tls_port
    before_s = target.program.cpu_s()
    done = load(protocol, port, requests)
    return (target.program.cpu_s() - before_s) / done.requests * 1e6
