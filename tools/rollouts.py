"""Simulated traffic, canaries and the real judge: what docs/judge.md claims is counted here.

Everything comes from one seed. Spans of `JUDGE_SPAN_S` are drawn for the three slots and given to
`judge` after each, as control does with the windows of nodes. The worlds are meant to be unfair:
origins fail for everybody for seconds, rates drift, clients keep connections and fail on all of
them, sites are many and unequal.
"""

import math
import random  # noqa: TID251 - the simulator draws from generators that are seeded here
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, Literal

from seawall.ids import NodeName, SiteName
from seawall.judge.evidence import CLUMPING, Evidence, Memory, Moment, Series
from seawall.judge.gates import GATES, GATES_BY_NAME
from seawall.judge.judge import Demands, judge
from seawall.judge.sequential import dispersion
from seawall.judge.verdict import Healthy, Unhealthy
from seawall.limits import JUDGE_BLOCK_S, JUDGE_CLUMP_MAX, JUDGE_SPAN_S, STEP_SOAK_S

SHARES: Final = (0.01, 0.1, 0.5)
"""The steps of the default policy."""
ARMS: Final = ("candidate", "stable", "baseline")
DEADLINE_S: Final = 120.0
_PAST_BLOCKS: Final = 30
_EXACT_MEAN_MAX: Final = 30.0
_FAILURES_PER_SPAN: Final = 4
_CPU_UNITS_EACH: Final = 0.05
_SUSPECT_BAD_MIN: Final = 2
_MEMORY: Final = (Memory(NodeName("n"), (5e7, 5e7), (5e7, 5e7)),)


@dataclass(frozen=True)
class World:
    """Traffic and its troubles, the same for every slot.

    Attributes:
        errors: share of requests answered with 5xx; others likewise.
        per_connection: requests on a connection in the mean; each connection stays in its slot.
        clumped: share of the errors that are of connections on which every request fails.
        outages: chance in each span that the origin begins to fail for some seconds.
        drift: by how much rates swing, as a factor, over 10 minutes.
    """

    rate_per_s: float
    errors: float = 0.005
    client_errors: float = 0.05
    resets: float = 0.003
    slow: float = 0.05
    per_connection: float = 1.0
    clumped: float = 0.0
    outages: float = 0.0
    drift: float = 0.0
    sites: int = 1


@dataclass(frozen=True)
class Fault:
    """What the candidate does otherwise: shares of its own requests; None as the world does."""

    errors: float | None = None
    client_errors: float | None = None
    slow: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How one rollout ended.

    Attributes:
        end: `unhealthy`, `promoted` through all steps, or `waiting` at a deadline.
        gate: which gate said unhealthy.
        requests: that met the candidate until then.
        failed: of them, answered with 5xx.
        took_s: simulated seconds.
    """

    end: Literal["unhealthy", "promoted", "waiting"]
    gate: str
    requests: int
    failed: int
    took_s: float


@dataclass
class _Counted:
    """Everything counted so far in one rollout."""

    moments: dict[str, list[Moment]] = field(default_factory=dict)
    blocks: dict[str, dict[int, tuple[float, float]]] = field(default_factory=dict)
    sites: dict[int, list[Moment]] = field(default_factory=dict)
    at: int = 0
    requests: float = 0.0
    failed: float = 0.0
    in_step: float = 0.0
    in_step_all: float = 0.0

    def next_step(self) -> None:
        """What was counted so far belongs to earlier steps from now on."""
        self.in_step = self.in_step_all = 0.0
        for moments in self.moments.values():
            moments[:] = [replace(moment, current=False) for moment in moments]


def a_world(rng: random.Random) -> World:
    """Any world a site may live in, from 5 to 5,000 requests/s."""
    return World(
        rate_per_s=10 ** rng.uniform(0.7, 3.7),
        errors=rng.choice((0.0, 10 ** rng.uniform(-4, -1))),
        client_errors=10 ** rng.uniform(-2, -0.4),
        resets=10 ** rng.uniform(-4, -1.5),
        slow=rng.uniform(0.01, 0.12),
        per_connection=rng.choice((1.0, 1.0, 5.0, 20.0)),
        clumped=rng.choice((0.0, 0.0, 0.3, 1.0)),
        outages=rng.choice((0.0, 0.0, 0.002, 0.01)),
        drift=rng.choice((0.0, 0.5, 2.0)),
        sites=rng.choice((1, 1, 20, 1000)),
    )


def rollout(
    world: World,
    fault: Fault,
    seed: int,
    *,
    shares: tuple[float, ...] = SHARES,
    deadline_s: float = DEADLINE_S,
    baseline: bool = True,
) -> Outcome:
    """One release through the steps; a deadline ends a step as if golden requests had decided."""
    traffic = _Traffic(world, fault, random.Random(seed))  # noqa: S311 - a simulation
    seen = _Counted()
    traffic.past(seen)
    took_s = 0.0
    waited = False
    for share in shares:
        seen.next_step()
        elapsed_s = 0.0
        while True:
            elapsed_s += JUDGE_SPAN_S
            traffic.span(seen, share, baseline=baseline)
            demands = Demands(share, elapsed_s, STEP_SOAK_S, deadline_s, world.rate_per_s)
            verdict = judge(_evidence(seen, world, baseline=baseline), demands)
            if isinstance(verdict, Unhealthy):
                took_s += elapsed_s
                return Outcome("unhealthy", verdict.gate, round(seen.requests),
                               round(seen.failed), took_s)  # fmt: skip
            if isinstance(verdict, Healthy):
                break
            if elapsed_s >= deadline_s:
                waited = True
                break
        took_s += elapsed_s
    end: Literal["waiting", "promoted"] = "waiting" if waited else "promoted"
    return Outcome(end, "", round(seen.requests), round(seen.failed), took_s)


class _Traffic:
    """Draws what happens in each span."""

    def __init__(self, world: World, fault: Fault, rng: random.Random) -> None:
        self._world, self._fault, self._rng = world, fault, rng
        self._phase = rng.uniform(0, 2 * math.pi)
        self._failing: dict[str, list[int]] = {arm: [] for arm in ARMS}
        self._outage, self._outage_spans = 0.0, 0
        weights = [1.0 / (n + 1) for n in range(world.sites)]
        total = sum(weights)
        self._weights = [weight / total for weight in weights]

    def past(self, seen: _Counted) -> None:
        """The minutes before the trial, of the stable slot alone."""
        for _ in range(_PAST_BLOCKS * round(JUDGE_BLOCK_S / JUDGE_SPAN_S)):
            self._moment(seen, {"candidate": 0.0, "stable": 1.0, "baseline": 0.0})
            seen.at += 1

    def span(self, seen: _Counted, share: float, *, baseline: bool) -> None:
        """One span of a step, added to `seen`."""
        control = share if baseline else 0.0
        shares = {"candidate": share, "stable": 1 - share - control, "baseline": control}
        counts = self._moment(seen, shares)
        for name, arms in counts.items():
            seen.moments.setdefault(name, []).append(_moment_of(seen.at, arms))
        requests, failed = counts["errors"][0][1], counts["errors"][0][0]
        seen.requests, seen.failed = seen.requests + requests, seen.failed + failed
        seen.in_step += requests
        seen.in_step_all += sum(arm[1] for arm in counts["errors"])
        if self._world.sites > 1:
            self._share_out(seen, counts["errors"])
        seen.at += 1

    def _moment(
        self, seen: _Counted, shares: dict[str, float]
    ) -> dict[str, list[tuple[float, float]]]:
        world, rng = self._world, self._rng
        swing = math.exp(
            world.drift * math.sin(self._phase + 2 * math.pi * seen.at * JUDGE_SPAN_S / 600)
        )
        self._weather()
        counts: dict[str, list[tuple[float, float]]] = {gate.name: [] for gate in GATES}
        for arm in ARMS:
            mean = world.rate_per_s * JUDGE_SPAN_S * shares[arm] * min(1.0, swing)
            each = world.per_connection
            requests = float(round(_poisson(rng, mean / each) * each))
            ours = self._fault if arm == "candidate" else Fault()
            single = (world.errors if ours.errors is None else ours.errors) * swing
            clumped = world.clumped * single if ours.errors is None else 0.0
            rate = min(1.0, single - clumped + self._outage)
            stuck = self._stuck(arm, mean * clumped)
            requests += stuck
            of = {
                "errors": min(requests, _binomial(rng, requests, rate) + stuck),
                "bot-faults": 0.0,
                "resets": _binomial(rng, requests, world.resets),
                "unanswered": _poisson(rng, min(requests, 2.0)),
                "refused": _binomial(rng, requests, world.client_errors / 4),
                "client-errors": _binomial(
                    rng, requests, min(1.0, ours.client_errors or world.client_errors)
                ),
                "slow": _binomial(rng, requests, ours.slow or world.slow),
                "cpu": _poisson(rng, requests * _CPU_UNITS_EACH / 3) * 3,
            }
            for name, bad in of.items():
                counts[name].append((min(bad, requests) if name != "cpu" else bad, requests))
        block = int(seen.at * JUDGE_SPAN_S / JUDGE_BLOCK_S)
        for name, arms in counts.items():
            before = seen.blocks.setdefault(name, {}).get(block, (0.0, 0.0))
            seen.blocks[name][block] = before[0] + arms[1][0], before[1] + arms[1][1]
        return counts

    def _weather(self) -> None:
        if self._outage_spans > 0:
            self._outage_spans -= 1
        else:
            self._outage = 0.0
            if self._rng.random() < self._world.outages:
                self._outage = self._rng.uniform(0.1, 0.9)
                self._outage_spans = self._rng.randint(0, 8)

    def _stuck(self, arm: str, mean: float) -> float:
        """Errors of connections on which every request fails; each connection stays in its arm."""
        world, rng = self._world, self._rng
        for _ in range(_poisson(rng, mean / world.per_connection)):
            self._failing[arm].append(_geometric(rng, world.per_connection))
        errors = 0
        left = []
        for remaining in self._failing[arm]:
            now = min(remaining, _FAILURES_PER_SPAN)
            errors += now
            if remaining > now:
                left.append(remaining - now)
        self._failing[arm] = left
        return float(errors)

    def _share_out(self, seen: _Counted, arms: list[tuple[float, float]]) -> None:
        """Which site each error was of; sites have their share of every slot's requests."""
        bad: dict[int, list[float]] = {}
        for index, (errors, _) in enumerate(arms):
            for site in self._rng.choices(range(self._world.sites), self._weights, k=int(errors)):
                bad.setdefault(site, [0.0, 0.0, 0.0])[index] += 1
        for site, of_arms in bad.items():
            weight = self._weights[site]
            pairs = [(e, max(e, a[1] * weight)) for e, a in zip(of_arms, arms, strict=True)]
            seen.sites.setdefault(site, []).append(_moment_of(seen.at, pairs))


def _moment_of(at: int, arms: list[tuple[float, float]]) -> Moment:
    candidate, stable, baseline = arms
    return Moment(at, current=True, candidate=candidate, stable=stable, baseline=baseline)


def _evidence(seen: _Counted, world: World, *, baseline: bool) -> Evidence:
    totals = {
        name: Series(
            name,
            None,
            tuple(moments),
            clump=dispersion(seen.blocks[name].values(), GATES_BY_NAME[name].clump_most),
        )
        for name, moments in seen.moments.items()
    }
    suspects = tuple(
        Series("errors", SiteName(f"s{site}"), tuple(moments), clump=totals["errors"].clump)
        for site, moments in seen.sites.items()
        if sum(moment.candidate[0] for moment in moments) >= _SUSPECT_BAD_MIN
    )
    each = world.per_connection
    return Evidence(
        windows=1,
        requests=seen.in_step,
        requests_all=seen.in_step_all,
        clump=min(JUDGE_CLUMP_MAX, 1.0 + CLUMPING * (each - 1.0)),
        baseline=baseline,
        totals=MappingProxyType(totals),
        suspects=suspects,
        sites=world.sites,
        memory=_MEMORY,
    )


def _poisson(rng: random.Random, mean: float) -> int:
    if mean <= 0:
        return 0
    if mean > _EXACT_MEAN_MAX:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _binomial(rng: random.Random, trials: float, share: float) -> float:
    """Of `trials`; exact for few, by the nearest simple law for many."""
    count = round(trials)
    if count <= _EXACT_MEAN_MAX:
        return float(sum(rng.random() < share for _ in range(count)))
    mean = count * share
    if mean <= _EXACT_MEAN_MAX:
        return float(min(count, _poisson(rng, mean)))
    spread = math.sqrt(mean * (1 - share))
    return float(min(count, max(0, round(rng.gauss(mean, spread)))))


def _geometric(rng: random.Random, mean: float) -> int:
    if mean <= 1:
        return 1
    return 1 + int(math.log(1.0 - rng.random()) / math.log(1 - 1 / mean))
