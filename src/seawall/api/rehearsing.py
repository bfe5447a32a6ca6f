"""Tries bot rules and address lists of a release on the requests that this machine has recorded.

For that the rules of the current release are needed too, as a model and not as Envoy has them. What
was judged last is most often what serves, so they are remembered; else the release's site file is
loaded once more.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from seawall.api.candidate import Maker
from seawall.api.extras import Extras
from seawall.api.ingredients import PinnedReader, Stash
from seawall.clock import Clock
from seawall.gate.clients import Rehearse, read_recent
from seawall.ids import SiteName
from seawall.model import OBSERVING, Switch, apply_switches
from seawall.release.bundle import Bundle
from seawall.telemetry.rehearsal import Rehearsal
from seawall.telemetry.rehearse import SiteRules, rehearse, rules_of

if TYPE_CHECKING:
    from seawall.site.sources import SourceSet

Rules = Mapping[SiteName, SiteRules]
_REMEMBERED: Final = 2
"""What serves, and what was tried last."""


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
        self._known: deque[tuple[SourceSet, Sequence[Switch], Rules]] = deque(maxlen=_REMEMBERED)

    def of(self, new: Bundle, rules: Rules, old: Bundle | None) -> Rehearse:
        """What tries `rules`, those of `new`, when it is called."""
        if (new.sources, new.switches) not in [known[:2] for known in self._known]:
            self._known.append((new.sources, new.switches, rules))
        return lambda: self._rehearsed(rules, old)

    def _rehearsed(self, rules: Rules, old: Bundle | None) -> tuple[Rehearsal, ...] | None:
        if all(each.policy == OBSERVING and not each.deny for each in rules.values()):
            return ()
        before: Rules | None = {} if old is None else self._rules_of(old)
        if before is None:
            return None
        return rehearse(read_recent(self._access_file, self._clock.now_s()), before, rules)

    def _rules_of(self, bundle: Bundle) -> Rules | None:
        """The rules of a release; None when its site file cannot be loaded any more."""
        for sources, switches, rules in self._known:
            if (sources, switches) == (bundle.sources, bundle.switches):
                return rules
        reader = PinnedReader.of(Extras(pinned=True), bundle, self._stash)
        edge = self._maker.load(bundle.sources, reader, bundle.feeds).edge
        return None if edge is None else rules_of(apply_switches(edge, bundle.switches))
