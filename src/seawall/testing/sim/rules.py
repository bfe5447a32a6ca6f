"""The ten invariants, looked at on every step of a simulated history."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from seawall.errors import invariant
from seawall.ids import Digest, Generation
from seawall.limits import LAST_KNOWN_GOOD_GENERATIONS_MIN
from seawall.node.state import NodeState
from seawall.rollout.state import Fleet, Plan, Speed, Stage
from seawall.testing.sim.core import SimStore
from seawall.testing.sim.node import SimNode
from seawall.testing.sim.releases import Nature
from seawall.testing.sim.world import World

_THERE_S: Final = 8.0
"""Who was heard within it is there: less than a leader that takes over waits for it."""


class Rules:
    """Remembers what it has seen, and raises `InternalError` at the first breach."""

    def __init__(self, world: World, nodes: Sequence[SimNode], store: SimStore) -> None:
        self._world = world
        self._nodes = nodes
        self._store = store
        self._generations: dict[str, Generation] = {}
        self._shares: dict[tuple[str, Digest], int] = {}
        self._baked: dict[str, set[Digest]] = {}
        self._seen: dict[str, tuple[object, ...]] = {}
        self.forced: set[Digest] = set()
        store.written += [self._written, self._asked]

    def look(self) -> None:
        """At every node, after anything has happened."""
        for node in self._nodes:
            seen = node.standing
            if seen != self._seen.get(node.name):
                self._seen[node.name] = seen
                self._generation(node)
                self._memory(node, node.disk.memory)
                self._candidate(node)
                self._serving(node)

    def forget(self, node: SimNode) -> None:
        """Its disk is lost: it begins anew."""
        self._generations.pop(node.name, None)
        self._baked.pop(node.name, None)

    def _generation(self, node: SimNode) -> None:
        """1: a node's generation never falls, in its memory nor over its deaths."""
        memory = node.course.memory if node.course and node.course.booted else node.disk.memory
        known = self._generations.get(node.name, Generation(0))
        persisted = node.disk.memory.generation
        if not node.disk.full:
            invariant(memory.generation >= known, f"1: the generation of {node.name} fell")
        self._generations[node.name] = max(known, persisted)

    def _memory(self, node: SimNode, memory: NodeState) -> None:
        """4: the last known good are kept: three, when so many have baked here."""
        baked = self._baked.setdefault(node.name, set())
        baked |= {good.digest for good in memory.good}
        kept = min(len(baked), LAST_KNOWN_GOOD_GENERATIONS_MIN)
        invariant(len(memory.good) >= kept, f"4: {node.name} keeps too few good releases")
        if not node.disk.full:
            missing = {g.digest for g in memory.good} - node.disk.bundles.keys()
            invariant(not missing, f"4: {node.name} lost the bundles of good releases")

    def _candidate(self, node: SimNode) -> None:
        """5: no more connections meet a candidate than some step has allowed."""
        if node.candidate is None or not node.share_permille:
            return
        allowed = self._shares.get((node.name, node.candidate.digest), 0)
        words = f"5: {node.name} gives {node.share_permille} permille, {allowed} were allowed"
        invariant(node.share_permille <= allowed, words)

    def _serving(self, node: SimNode) -> None:
        """2, 3: what serves is a stored release that Envoy accepts."""
        serving = node.stable.serving
        if serving is None or not node.stable.alive:
            return
        stored = self._store.of(serving.digest) is not None
        invariant(stored, f"2: {node.name} serves a release that is not stored")
        refused = serving.nature in (Nature.REFUSED, Nature.REFUSED_LATE)
        invariant(not refused, f"3: {node.name} serves a release that Envoy refuses")

    def _written(self, before: Fleet, made: Plan) -> None:
        """1, 2, 4, 5, 9: of what is told to nodes."""
        grows = made.fleet.generation >= before.generation
        invariant(grows, "1: the generation in the store fell")
        running = made.fleet.running
        if running is not None and running.before is not None:
            kept = running.before.release in self._store.releases
            invariant(kept, "4: the rollback point of the running rollout is not retained")
        quarantined = before.quarantined
        for assigned in made.assignments:
            digests = [assigned.digest]
            if assigned.trial is not None:
                digests.append(assigned.trial.digest)
                key = (assigned.node, assigned.trial.digest)
                share = max(self._shares.get(key, 0), assigned.trial.share_permille)
                self._shares[key] = share
            for digest in digests:
                stored = self._store.of(digest) is not None
                invariant(stored, f"2: {assigned.node} is told a release that is not stored")
                self._quarantine(before, digest, quarantined)

    def _asked(self, before: Fleet, made: Plan) -> None:
        """6: a release is taken for everybody's only when everybody who is there was asked.

        Who is there is told by all control processes: one that takes over has heard nobody yet.
        """
        baked_before = {r.number for r in before.rollouts if r.stage is Stage.BAKING}
        over = [r for r in made.ended if r.stage is Stage.DONE]
        baking = [r for r in made.fleet.rollouts if r.stage is Stage.BAKING]
        for rollout in (*over, *baking):
            if rollout.number in baked_before or rollout.speed is Speed.SWITCH:
                continue
            told = (n for n, new in before.assigned.items() if new.release == rollout.release)
            for name in before.assigned.keys() - {*rollout.committed, *rollout.aside, *told}:
                silent_s = self._world.now_s - self._store.heard_s.get(name, -math.inf)
                words = f"6: {rollout.release} serves everywhere, and {name} was not asked"
                invariant(silent_s > _THERE_S, words)

    def _quarantine(self, before: Fleet, digest: Digest, quarantined: Iterable[Digest]) -> None:
        """9: a quarantined digest is not newly assigned; what stood may stay."""
        if digest not in quarantined or digest in self.forced:
            return
        stood = before.target is not None and before.target.digest == digest
        points = {r.before.digest for r in before.rollouts if r.before is not None}
        invariant(stood or digest in points, f"9: {digest[:8]} is quarantined and was assigned")
