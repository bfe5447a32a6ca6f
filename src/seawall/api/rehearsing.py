"""Tries bot rules and address lists of a release on the requests that this machine has recorded.

For that the rules of the current release are needed too, as a model and not as Envoy has them. What
was judged last is most often what serves, so they are remembered; else the release's site file is
loaded once more.
"""

from collections.abc import Mapping
from pathlib import Path

from seawall.api.anew import loaded_anew
from seawall.api.candidate import Maker, edge_of
from seawall.api.ingredients import Stash
from seawall.api.remembered import Remembered
from seawall.clock import Clock
from seawall.gate.clients import Rehearse, read_recent
from seawall.ids import SiteName
from seawall.model import apply_switches
from seawall.release.bundle import Bundle
from seawall.telemetry.rehearsal import Rehearsal
from seawall.telemetry.rehearse import SiteRules, rehearse, rules_of

Rules = Mapping[SiteName, SiteRules]


class Rehearsing:
    """One for a workbench.

    Args:
        access_file: records of this machine; need not exist.
    """

    def __init__(self, maker: Maker, stash: Stash, access_file: Path, clock: Clock) -> None:
        self._maker = maker
        self._stash = stash
        self._access_file = access_file
        self._clock = clock
        self._known: Remembered[Rules] = Remembered()

    def of(self, new: Bundle, rules: Rules, old: Bundle | None) -> Rehearse:
        """What tries `rules`, those of `new`, when it is called."""
        self._known.keep(new.snapshot, rules)
        return lambda: self._rehearsed(rules, old)

    def _rehearsed(self, rules: Rules, old: Bundle | None) -> tuple[Rehearsal, ...] | None:
        if not any(each.turns_away for each in rules.values()):
            return ()
        before: Rules | None = {} if old is None else self._rules_of(old)
        if before is None:
            return None
        return rehearse(read_recent(self._access_file, self._clock.now_s()), before, rules)

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
