"""CPU per request of each target, measured in alternating rounds of one run.

CPU time is the target's own, from /proc, so other programs, the origin and the load generator do
not count. But whoever shares the processor and its caches makes the same work take longer, never
shorter, for seconds at a time: so each round takes several samples, and the lower quartile of all
samples of a target is given, for all targets alike. The ratios within the rounds say how disturbed
the run was.
"""

import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.load import BROWSER, generator, load
from bench.origin import origin
from bench.targets import BOTS, Place, Target, available

BASE = "envoy"
WITHOUT_BOTS, *SCORING = BOTS
RAMP_S = 10.5
"""Load before each measured run of the operated edge: two polls of its agent, which then knows how
busy the node is. Between its rounds the node rests, and records everything again."""
WARM_UP_REQUESTS = 5_000
SAMPLES = 5
"""Measured one after the other in each round."""
LIVES = 3
"""How often all targets are started anew: where a process's memory happens to lie makes the same
program up to a tenth faster or slower, for as long as it runs."""


@dataclass(frozen=True)
class Cost:
    """One target under one protocol.

    Attributes:
        cpu_us: CPU microseconds per request, lower quartile of the samples.
        bots_us: of an edge that looks at bots, how much more than `seawall`.
        ratio: of `cpu_us` to the bare Envoy's.
        ratio_min: smallest and, below, largest ratio of the medians of a round: the noise.
        memory_bytes: resident memory after the load.
    """

    target: str
    protocol: str
    cpu_us: float
    ratio: float
    ratio_min: float
    ratio_max: float
    memory_bytes: int
    bots_us: float | None = None


def costs(rounds: int, requests: int) -> list[Cost]:
    """Measure every target that can run here, over HTTP/1.1 and HTTP/2 with TLS.

    Args:
        rounds: of each protocol; they are shared out among the lives.
        requests: of one target in one round.
    """
    taken: dict[tuple[str, str], list[list[float]]] = {}
    memory: dict[tuple[str, str], int] = {}
    for _ in range(LIVES):
        for key, samples, memory_bytes in _life(max(1, rounds // LIVES), requests):
            taken.setdefault(key, []).append(samples)
            memory[key] = memory_bytes
    quiet_us = {key: _quiet(own) for key, own in taken.items()}
    found = []
    for (protocol, name), own in taken.items():
        base = taken[protocol, BASE]
        ratios = [
            statistics.median(ours) / statistics.median(theirs)
            for ours, theirs in zip(own, base, strict=True)
        ]
        cpu_us = quiet_us[protocol, name]
        found.append(
            Cost(
                name,
                protocol,
                cpu_us,
                cpu_us / quiet_us[protocol, BASE],
                min(ratios),
                max(ratios),
                memory[protocol, name],
                cpu_us - quiet_us[protocol, WITHOUT_BOTS] if name in SCORING else None,
            )
        )
    return found


def _quiet(rounds: list[list[float]]) -> float:
    """The lower quartile of all samples."""
    samples = [sample for samples in rounds for sample in samples]
    return statistics.quantiles(samples, n=4, method="inclusive")[0]


def _life(rounds: int, requests: int) -> Iterator[tuple[tuple[str, str], list[float], int]]:
    """Start all targets, and measure each in turn: its key, CPU microseconds, memory."""
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="seawall-bench-")))
        (root / "origin").mkdir()
        port = stack.enter_context(origin(root / "origin"))
        targets = []
        for name, start in available().items():
            (root / name).mkdir()
            targets.append(stack.enter_context(start(Place(root / name, port, time.time()))))
        for protocol in ("h1", BROWSER, "h2"):
            if generator(protocol) is not None:
                yield from _rounds(targets, protocol, rounds, requests)


def _rounds(
    targets: list[Target], protocol: str, rounds: int, requests: int
) -> Iterator[tuple[tuple[str, str], list[float], int]]:
    for target in targets:
        _one(target, protocol, WARM_UP_REQUESTS)
    for number in range(rounds):
        turn = number % len(targets)
        for target in (*targets[turn:], *targets[:turn]):
            start_s = time.monotonic()
            while target.name in BOTS and time.monotonic() - start_s < RAMP_S:
                _one(target, protocol, WARM_UP_REQUESTS)
            samples = [_one(target, protocol, requests // SAMPLES) for _ in range(SAMPLES)]
            yield (protocol, target.name), samples, target.program.memory_bytes()


def _one(target: Target, protocol: str, requests: int) -> float:
    """CPU microseconds per request of one run."""
    port = target.tls_port if protocol == "h2" else target.port
    before_s = target.program.cpu_s()
    done = load(protocol, port, requests)
    return (target.program.cpu_s() - before_s) / done.requests * 1e6
