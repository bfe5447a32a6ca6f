"""Tries bot rules and address lists of a release on recorded requests, before it goes anywhere.

On one machine these are its own records; control of a fleet has none and asks the nodes. The rules
of the current release are needed too, as a model and not as Envoy has them. What was judged last is
most often what serves, so they are remembered; else the release's site file is loaded once more.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from seawall import limits
from seawall.api.anew import loaded_anew
from seawall.api.candidate import Maker, edge_of
from seawall.api.ingredients import Stash
from seawall.api.remembered import Remembered
from seawall.api.sampling import Sampled
from seawall.clock import Clock
from seawall.gate.clients import Rehearse
from seawall.ids import SiteName
from seawall.model import apply_switches
from seawall.release.bundle import Bundle
from seawall.telemetry.records import AccessRecord
from seawall.telemetry.rehearsal import GARBLED, NodesAsked, Rehearsed
from seawall.telemetry.rehearse import SiteRules, rehearse, rehearse_fleet, rules_of, wanted_of
from seawall.telemetry.samples import SampleError, Wanted, read_recent, unpack

Ask = Callable[[Wanted], Sampled | None]
"""Asks control what nodes have seen; None where control has no fleet. Blocks."""
Rules = Mapping[SiteName, SiteRules]


def no_fleet(_wanted: Wanted) -> Sampled | None:
    """Of a machine that has no fleet."""
    return None


class Rehearsing:
    """One for a workbench.

    Args:
        access_file: records of this machine; need not exist.
        ask: asks the fleet, where there is one.
    """

    def __init__(
        self, maker: Maker, stash: Stash, access_file: Path, clock: Clock, ask: Ask = no_fleet
    ) -> None:
        self._maker = maker
        self._stash = stash
        self._access_file = access_file
        self._clock = clock
        self._ask = ask
        self._known: Remembered[Rules] = Remembered()

    def of(self, new: Bundle, rules: Rules, old: Bundle | None) -> Rehearse:
        """What tries `rules`, those of `new`, when it is called."""
        self._known.keep(new.snapshot, rules)
        return lambda: self._rehearsed(rules, old)

    def _rehearsed(self, rules: Rules, old: Bundle | None) -> Rehearsed | None:
        if not any(each.turns_away for each in rules.values()):
            return Rehearsed()
        before: Rules | None = {} if old is None else self._rules_of(old)
        if before is None:
            return None
        wanted = wanted_of(before, rules)
        if wanted is None:
            return Rehearsed()
        sampled = self._ask(wanted)
        if sampled is None:
            own = read_recent(self._access_file, self._clock.now_s())
            return Rehearsed(rehearse(own, before, rules))
        samples, asked = _opened(sampled)
        return Rehearsed(rehearse_fleet(samples, before, rules), asked)

    def _rules_of(self, bundle: Bundle) -> Rules | None:
        """The rules of a release; None when what it was made of cannot be read any more."""
        rules = self._known.of(bundle.snapshot)
        if rules is None:
            loaded = loaded_anew(self._maker, bundle, self._stash)
            if loaded is None:
                return None
            rules = rules_of(apply_switches(edge_of(loaded), bundle.switches))
            self._known.keep(bundle.snapshot, rules)
        return rules


def _opened(sampled: Sampled) -> tuple[dict[str, tuple[AccessRecord, ...]], NodesAsked]:
    """The records of each node, and who was asked; what makes no sense is told as that."""
    samples, garbled = dict[str, tuple[AccessRecord, ...]](), list[str]()
    for node, packed in sampled.samples.items():
        try:
            samples[node] = unpack(packed)
        except SampleError:
            garbled.append(node)
    asked = sampled.asked
    if garbled:
        names = (*asked.missing.get(GARBLED, ()), *garbled)
        count = asked.missing_count.get(GARBLED, 0) + len(garbled)
        asked = replace(
            asked,
            answered=len(samples),
            missing={**asked.missing, GARBLED: names[: limits.RECORD_NODES_NAMED_MAX]},
            missing_count={**asked.missing_count, GARBLED: count},
        )
    return samples, asked
