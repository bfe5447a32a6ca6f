"""What is known of a candidate: windows of all nodes and slots, added up side by side.

`gather` lays windows of the three slots over each other in short spans of time, so that what hit
everybody at one moment (a failing origin, a flood) is compared only with itself. What could not be
measured is counted as missing, never as zero.

It decides nothing; `judge` does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from seawall.ids import Generation, NodeName, SiteName
from seawall.judge.gates import GATES, GATES_BY_NAME, Count, Gate, slow_from
from seawall.judge.pooling import BASELINE, CANDIDATE, STABLE, pooled, span_of
from seawall.judge.sequential import dispersion
from seawall.limits import JUDGE_BLOCK_S, JUDGE_CLUMP_MAX, JUDGE_NODES_APART_MAX
from seawall.telemetry.window import Window

_NOTHING: Final = (0.0, 0.0)
CLUMPING: Final = 0.25
"""How much of what happens on one connection is decided by the connection."""
_SUSPECT_BAD_MIN: Final = 2.0
_HEAP: Final = "memory_allocated_bytes"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the trial beside the counts, over all nodes that try it.

    Attributes:
        restarts: deaths of the candidate that the release is to blame for.
        nacks: refusals by Envoy.
        warming_s: how long the candidate has been getting ready; None when it is ready.
        probes_asked: golden requests asked of candidate and stable.
        probes_differed: of these, answered otherwise or not as written.
        first: the first difference or refusal in words.
    """

    restarts: int = 0
    nacks: int = 0
    warming_s: float | None = None
    probes_asked: int = 0
    probes_differed: int = 0
    first: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """One gate in one span of time on one node; each arm is (bad events, exposures).

    Attributes:
        at: number of the span of time.
        current: belongs to the step that is judged, and not to an earlier one.
    """

    at: int
    current: bool
    candidate: Count = _NOTHING
    stable: Count = _NOTHING
    baseline: Count = _NOTHING


@dataclass(frozen=True, slots=True)
class Series:
    """One gate of the whole edge or of one site.

    Attributes:
        missing: windows of the candidate in this step that did not say.
        clump: how many bad events come together on the stable slot, and so count as one.
    """

    gate: str
    site: SiteName | None
    moments: tuple[Moment, ...]
    missing: int = 0
    clump: float = 1.0

    def sums(self, *, current: bool = False) -> tuple[Count, Count, Count]:
        """Bad events and exposures of candidate, stable, baseline; `current`: in this step only."""
        bad = stable_bad = baseline_bad = of = stable_of = baseline_of = 0.0
        for moment in self.moments:
            if moment.current or not current:
                bad, of = bad + moment.candidate[0], of + moment.candidate[1]
                stable_bad += moment.stable[0]
                stable_of += moment.stable[1]
                baseline_bad += moment.baseline[0]
                baseline_of += moment.baseline[1]
        return (bad, of), (stable_bad, stable_of), (baseline_bad, baseline_of)


@dataclass(frozen=True, slots=True)
class Memory:
    """Heap in use on one node in bytes, in the first and the last window of the trial."""

    node: NodeName
    candidate: tuple[float, float]
    control: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the judge looks at.

    Attributes:
        windows: of the candidate in this step.
        requests: of the candidate in this step.
        requests_all: of all slots in this step.
        clump: how many bad events count as one, since they come on one connection.
        baseline: a control slot took part.
        totals: each gate of the whole edge.
        suspects: gates of single sites with bad events on the candidate.
        sites: how many sites had requests in any slot.
    """

    windows: int = 0
    requests: float = 0.0
    requests_all: float = 0.0
    clump: float = 1.0
    baseline: bool = False
    totals: Mapping[str, Series] = field(default_factory=lambda: MappingProxyType({}))
    suspects: tuple[Series, ...] = ()
    sites: int = 0
    memory: tuple[Memory, ...] = ()
    facts: Facts = field(default_factory=Facts)


def gather(
    windows: Iterable[Window],
    generation: Generation,
    *,
    earlier: Iterable[Generation] = (),
    facts: Facts | None = None,
) -> Evidence:
    """Lay the windows of one step, and of earlier steps of the same release, over each other.

    Args:
        windows: of all slots and nodes. Windows of the stable slot from before the trial may be
            among them: they say how slow is slow, and are not counted otherwise.
        generation: of the step that is judged.
        earlier: generations of the steps before, on the same release: their evidence of harm
            still counts, their evidence of health does not.
        facts: see `Facts`.
    """
    known = [*windows]
    wanted = {generation, *earlier}
    tried = [window for window in known if window.generation in wanted]
    memory = tuple(_memory(tried))
    if len({window.node for window in tried}) > JUDGE_NODES_APART_MAX:
        before = [window for window in known if window.generation not in wanted]
        tried = pooled(tried)
        known = [*before, *tried]
    step = [window for window in tried if window.generation == generation]
    ours = [window for window in step if window.slot == CANDIDATE]
    slow = slow_from([w for w in known if w.slot == STABLE] or tried)
    laid = _laid(tried)
    totals = {
        gate.name: Series(
            gate.name,
            None,
            _moments(laid, generation, _of_edge(gate, slow.get(None))),
            sum(gate.of_window(window, slow.get(None)) is None for window in ours),
            _unevenness(known, gate, _of_edge(gate, slow.get(None))),
        )
        for gate in GATES
    }
    return Evidence(
        windows=len(ours),
        requests=sum(window.edge.get("requests", 0.0) for window in ours),
        requests_all=sum(window.edge.get("requests", 0.0) for window in step),
        clump=_clump(window for window in tried if window.slot == CANDIDATE),
        baseline=any(window.slot == BASELINE for window in step),
        totals=MappingProxyType(totals),
        suspects=tuple(_suspects(laid, known, generation, slow)),
        sites=len({site for window in tried for site in window.sites}),
        memory=memory,
        facts=facts or Facts(),
    )


_Place = tuple[int, NodeName, Generation]


def _laid(windows: Iterable[Window]) -> dict[_Place, dict[str, list[Window]]]:
    """Windows by span of time, node and step, then by slot."""
    laid: dict[_Place, dict[str, list[Window]]] = {}
    for window in windows:
        slots = laid.setdefault((span_of(window), window.node, window.generation), {})
        slots.setdefault(window.slot, []).append(window)
    return laid


def _moments(
    laid: Mapping[_Place, Mapping[str, Sequence[Window]]],
    generation: Generation,
    count: Callable[[Window], Count | None],
) -> tuple[Moment, ...]:
    found = []
    for (at, _, step), slots in laid.items():
        arms = [_arm(slots.get(slot, ()), count) for slot in (CANDIDATE, STABLE, BASELINE)]
        if arms[0][1] > 0 or arms[1][1] > 0:
            found.append(Moment(at, step == generation, *arms))
    return tuple(found)


def _arm(windows: Iterable[Window], count: Callable[[Window], Count | None]) -> Count:
    bad = exposures = 0.0
    for window in windows:
        found = count(window)
        if found is not None:
            bad, exposures = bad + found[0], exposures + found[1]
    return bad, exposures


def _suspects(
    laid: Mapping[_Place, Mapping[str, Sequence[Window]]],
    known: Sequence[Window],
    generation: Generation,
    slow: Mapping[SiteName | None, int],
) -> Iterator[Series]:
    """Sites where enough went wrong on the candidate that a look is worth it."""
    bad: dict[tuple[SiteName, str], float] = {}
    by_site = [gate for gate in GATES if gate.of_site is not None]
    tried = (slots.get(CANDIDATE, ()) for slots in laid.values())
    for window in (window for windows in tried for window in windows):
        for site, counts in window.sites.items():
            for gate in by_site:
                found = gate.of_site(counts, slow.get(site)) if gate.of_site else None
                if found is not None and found[0] > 0:
                    bad[site, gate.name] = bad.get((site, gate.name), 0.0) + found[0]
    for (site, name), count_bad in bad.items():
        if count_bad >= _SUSPECT_BAD_MIN:
            count_of = _of_site(name, site, slow)
            clump = _unevenness(known, GATES_BY_NAME[name], count_of)
            yield Series(name, site, _moments(laid, generation, count_of), clump=clump)


def _unevenness(
    known: Iterable[Window], gate: Gate, count_of: Callable[[Window], Count | None]
) -> float:
    blocks: dict[int, tuple[float, float]] = {}
    for window in known:
        found = count_of(window) if window.slot == STABLE else None
        if found is not None:
            at = int((window.start_s + window.duration_s / 2) / JUDGE_BLOCK_S)
            bad, exposures = blocks.get(at, _NOTHING)
            blocks[at] = bad + found[0], exposures + found[1]
    return dispersion(blocks.values(), gate.clump_most)


def _of_edge(gate: Gate, first_slow: int | None) -> Callable[[Window], Count | None]:
    return lambda window: gate.of_window(window, first_slow)


def _of_site(
    name: str, site: SiteName, slow: Mapping[SiteName | None, int]
) -> Callable[[Window], Count | None]:
    of_site, first_slow = GATES_BY_NAME[name].of_site, slow.get(site)

    def count(window: Window) -> Count | None:
        counts = window.sites.get(site)
        return of_site(counts, first_slow) if of_site is not None and counts else None

    return count


def _clump(candidates: Iterable[Window]) -> float:
    """How many bad events count as one: more where many requests come on one connection."""
    requests = connections = 0.0
    for window in candidates:
        if "connections" in window.edge and "requests" in window.edge:
            requests += window.edge["requests"]
            connections += window.edge["connections"]
    if requests <= 0:
        return 1.0
    each = requests / max(connections, 1.0)
    return min(JUDGE_CLUMP_MAX, max(1.0, 1.0 + CLUMPING * (each - 1.0)))


def _memory(tried: Iterable[Window]) -> Iterator[Memory]:
    seen: dict[tuple[NodeName, str], list[tuple[float, float]]] = {}
    for window in tried:
        if _HEAP in window.edge:
            where = (window.node, window.slot)
            seen.setdefault(where, []).append((window.start_s, window.edge[_HEAP]))
    for (node, slot), found in seen.items():
        if slot == CANDIDATE:
            control = seen.get((node, BASELINE)) or seen.get((node, STABLE))
            yield Memory(node, _ends(found), _ends(control) if control else None)


def _ends(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return min(found)[1], max(found)[1]
