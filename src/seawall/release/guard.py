"""The mass-change guard: a release that takes away or changes too much at once is refused.

Most of what takes an edge down is valid: a template that rendered empty, a query that returned
half the rows. So the guard looks at the compiled result, not at the text, counts by kind what is
gone and what is different, and refuses over a bound, with the arithmetic in the message. A person
who means it says so by kind (`--force routes-removed`), which is recorded; nobody can force an
edge without a site or a listener. Bounds apply from a minimum population on, so that a small
site is not annoyed; taking away the last of a kind is always refused. Pure: counts in, report out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from seawall.compiler.contents import Contents
from seawall.errors import RefusedError, UsageError


class Deed(StrEnum):
    """What happened to items."""

    REMOVED = "removed"
    CHANGED = "changed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class KindBounds:
    """Bounds of one kind; shares from 0 to 1 of the items before the change.

    Attributes:
        removed_share_max: more may not go at once.
        changed_share_max: more may not differ at once; 1 never refuses.
        population_min: with fewer items than this before the change, shares are not looked at.
        added_share_max: more may not come at once; None never looks.
        emptied: taking away the last one is refused.
    """

    removed_share_max: float
    changed_share_max: float
    population_min: int
    added_share_max: float | None = None
    emptied: bool = True


GuardBounds = Mapping[str, KindBounds]
"""Bounds by kind (a field of `Contents`), in the order in which findings are shown."""

DEFAULT_BOUNDS: Final[GuardBounds] = MappingProxyType(
    {
        "listeners": KindBounds(0.5, 1.0, 4),
        "sites": KindBounds(0.2, 0.5, 10),
        "routes": KindBounds(0.3, 0.5, 20),
        "origins": KindBounds(0.3, 0.5, 10),
        "endpoints": KindBounds(0.5, 0.5, 10),
        # Renewing every certificate in one night is ordinary; losing many is not.
        "certificates": KindBounds(0.2, 1.0, 10),
        # Machine-made, so growing matters too: a list that doubles is a broken generator. An
        # empty list is judged where it is read.
        "networks": KindBounds(0.5, 1.0, 20, added_share_max=1.0, emptied=False),
    }
)
_VERBS: Final = {Deed.REMOVED: "removes", Deed.CHANGED: "changes", Deed.ADDED: "adds"}
ESSENTIAL: Final = ("listeners", "sites")
"""An edge without one of these serves nothing: no force allows it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind, one deed, counted.

    Attributes:
        text: the arithmetic in words: `removes 31 of 40 routes (78 %), bound 30 %`.
        over: it is over its bound, or takes the last of its kind.
        forced: it is over, and was forced by name.
    """

    kind: str
    deed: Deed
    count: int
    population: int
    text: str
    over: bool
    forced: bool
    forcible: bool = True

    @property
    def force_name(self) -> str:
        """What `--force` takes: `routes-removed`."""
        return f"{self.kind}-{self.deed}"

    @property
    def refused(self) -> bool:
        """It stops the release."""
        return self.over and not self.forced


@dataclass(frozen=True, slots=True)
class GuardReport:
    """All findings with a count above zero, and those that say that something is empty."""

    findings: tuple[Finding, ...]

    @property
    def refusals(self) -> tuple[Finding, ...]:
        """What stops the release."""
        return tuple(finding for finding in self.findings if finding.refused)

    @property
    def changes_too_much(self) -> bool:
        """Something is refused, or was forced, because too many items differ."""
        return any(finding.over and finding.deed is Deed.CHANGED for finding in self.findings)

    @property
    def forced(self) -> tuple[Finding, ...]:
        """What would have stopped it without force: to be recorded with the release."""
        return tuple(finding for finding in self.findings if finding.forced)

    def require_passed(self) -> None:
        """Stop here when something was refused.

        Raises:
            RefusedError: with the arithmetic of every refusal, and how to force each.
        """
        refusals = self.refusals
        if not refusals:
            return
        names = " ".join(f"--force {f.force_name}" for f in refusals if f.forcible)
        remedy = "Check `seawall diff`."
        if any(not finding.forcible for finding in refusals):
            remedy += " The edge would serve nothing, so this cannot be forced."
        if names:
            remedy += f" If this is intended, add: {names}"
        raise RefusedError(
            "mass-change",
            "The change is suspiciously large: " + "; ".join(f.text for f in refusals) + ".",
            remedy=remedy,
        )


def guard(
    old: Contents | None,
    new: Contents,
    bounds: GuardBounds = DEFAULT_BOUNDS,
    *,
    force: Collection[str] = (),
    anew: Contents | None = None,
) -> GuardReport:
    """Compare what serves with what shall serve.

    Args:
        old: contents of the current release; None when there is none.
        new: contents of the release to be.
        bounds: by kind.
        force: names such as `routes-removed` whose bound does not count this time.
        anew: contents of the current release when it is compiled by this Seawall: what is so in
            the new release has not been changed by anybody.

    Raises:
        UsageError: `force` names something that does not exist.
    """
    _check_force(bounds, force)
    findings: list[Finding] = []
    for kind, bound in bounds.items():
        before, after = _items(old, kind), _items(new, kind)
        if not after and (before or kind in ESSENTIAL) and bound.emptied:
            findings.append(_emptied(kind, len(before), force))
            continue
        removed = len(before.keys() - after.keys())
        added = len(after.keys() - before.keys()) if bound.added_share_max is not None else 0
        again = _items(anew, kind)
        changed = sum(
            1
            for name in before.keys() & after.keys()
            if before[name] != after[name] and again.get(name) != after[name]
        )
        findings += [
            _counted(kind, deed, count=count, population=len(before), bound=bound, force=force)
            for deed, count in (
                (Deed.REMOVED, removed),
                (Deed.CHANGED, changed),
                (Deed.ADDED, added if before else 0),
            )
            if count
        ]
    return GuardReport(tuple(findings))


def force_names(bounds: GuardBounds = DEFAULT_BOUNDS) -> tuple[str, ...]:
    """Everything that `--force` takes."""
    return tuple(
        f"{kind}-{deed}"
        for kind, bound in bounds.items()
        for deed in Deed
        if deed is not Deed.ADDED or bound.added_share_max is not None
    )


def bound_of(bound: KindBounds, deed: Deed) -> float:
    """The largest share that may meet this deed."""
    match deed:
        case Deed.REMOVED:
            return bound.removed_share_max
        case Deed.CHANGED:
            return bound.changed_share_max
        case Deed.ADDED:
            return 1.0 if bound.added_share_max is None else bound.added_share_max


def _items(contents: Contents | None, kind: str) -> Mapping[str, str]:
    items: Mapping[str, str] = getattr(contents, kind) if contents is not None else {}
    return items


def _check_force(bounds: GuardBounds, force: Collection[str]) -> None:
    known = force_names(bounds)
    for name in sorted(force):
        if name not in known:
            raise UsageError(
                "force-unknown",
                f"{name[:60]!r} cannot be forced.",
                remedy=f"The kinds are: {', '.join(known)}.",
            )


def _emptied(kind: str, population: int, force: Collection[str]) -> Finding:
    forcible = kind not in ESSENTIAL
    text = (
        f"removes the last of {population} {kind}" if population else f"there are no {kind} at all"
    )
    return Finding(
        kind,
        Deed.REMOVED,
        population,
        population,
        text,
        over=True,
        forced=forcible and f"{kind}-{Deed.REMOVED}" in force,
        forcible=forcible,
    )


def _counted(
    kind: str,
    deed: Deed,
    *,
    count: int,
    population: int,
    bound: KindBounds,
    force: Collection[str],
) -> Finding:
    share_max = bound_of(bound, deed)
    over = population >= bound.population_min and count > share_max * population
    verb = _VERBS[deed]
    share_text, bound_text = _percents(count / population, share_max)
    to = "to" if deed is Deed.ADDED else "of"
    text = f"{verb} {count} {to} {population} {kind} ({share_text}), bound {bound_text}"
    if population < bound.population_min:
        text += f" from {bound.population_min} {kind} on"
    forced = over and f"{kind}-{deed}" in force
    return Finding(kind, deed, count, population, text, over=over, forced=forced)


def _percents(share: float, bound: float) -> tuple[str, str]:
    """Both as text, with digits enough to show on which side of the bound the share is."""
    bound_text = f"{bound * 100:.0f}"
    texts = [f"{share * 100:.{digits}f}" for digits in range(4)]
    share_text = next((text for text in texts if float(text) != float(bound_text)), texts[0])
    return f"{share_text} %", f"{bound_text} %"
