"""The checks between compiling and storing, asked in one place: the guard and Envoy's validation.

Both judge the compiled result. This only translates: snapshots into what they take, and what they
say into views. It forces nothing that was not named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.api.views import GuardLineView, GuardView
from seawall.compiler.contents import Contents, contents
from seawall.compiler.diff import Change, diff
from seawall.compiler.snapshot import Snapshot
from seawall.errors import RefusedError
from seawall.gate.process import Ending
from seawall.gate.validate import Validator
from seawall.release.guard import DEFAULT_BOUNDS, Deed, Finding, GuardReport, bound_of, guard
from seawall.rollout.ports import Nack

_HEX: Final = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True)
class Verdict:
    """What the guard says of a change, and the change in words.

    Attributes:
        refusal: why it may not go on; None when it may.
        notes: what was forced.
    """

    changes: tuple[Change, ...]
    guard: GuardView
    refusal: RefusedError | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Validation:
    """What Envoy says of a snapshot before anyone serves it.

    Attributes:
        refusal: why it may not go on; None when it may.
        nacks: what Envoy refused, when it was Envoy that refused.
        text: what was checked, when it passed.
    """

    refusal: RefusedError | None
    nacks: tuple[Nack, ...] = ()
    text: str = ""


class Gatekeeper:
    """Asks the guard and Envoy.

    Args:
        validator: the real Envoy; it remembers what it accepted.
        work_dir: private; Envoy's files during validation.
    """

    def __init__(self, validator: Validator, work_dir: Path) -> None:
        self._validator = validator
        self._work_dir = work_dir
        self._counted: tuple[str, Contents] | None = None

    def guard(self, old: Snapshot | None, new: Snapshot, force: Sequence[str]) -> Verdict:
        """Compare what serves with what shall serve; blocks.

        Raises:
            UsageError: `force` names something that does not exist.
        """
        before = None if old is None else self._contents(old)
        after = contents(new)
        self._counted = new.digest, after
        report = guard(before, after, force=[name for name in force if not _is_digest(name)])
        refusal = None
        try:
            report.require_passed()
        except RefusedError as error:
            refusal = error
        notes = tuple(f"Forced: {finding.text}." for finding in report.forced)
        return Verdict(diff(old, new), _guard_view(report, after), refusal, notes)

    def _contents(self, old: Snapshot) -> Contents:
        """What serves is most often what was judged last."""
        if self._counted is not None and self._counted[0] == old.digest:
            return self._counted[1]
        return contents(old)

    def changes(self, old: Snapshot | None, new: Snapshot) -> tuple[Change, ...]:
        """The difference in words; blocks."""
        return diff(old, new)

    def trust(self, snapshot: Snapshot) -> None:
        """See `Validator.trust`; blocks."""
        self._validator.trust(snapshot)

    async def validate(self, snapshot: Snapshot) -> Validation:
        """Ask the real Envoy.

        Raises:
            UnreachableError: the work directory cannot be written.
        """
        report = await self._validator.validate(snapshot, work_dir=self._work_dir)
        try:
            report.require_accepted()
        except RefusedError as error:
            nacks = (Nack("", report.resource, report.owner, report.words),)
            return Validation(error, nacks if report.ending is Ending.REFUSED else ())
        known = f", {report.clusters_known} accepted before" if report.clusters_known else ""
        return Validation(None, text=f"{report.clusters_checked} origin(s) read{known}")


def _guard_view(report: GuardReport, after: Contents) -> GuardView:
    return GuardView(
        ok=not report.refusals,
        lines=tuple(_line(f, len(getattr(after, f.kind))) for f in report.findings),
        force=tuple(finding.force_name for finding in report.refusals if finding.forcible),
    )


def _line(finding: Finding, after: int) -> GuardLineView:
    bounds = DEFAULT_BOUNDS[finding.kind]
    return GuardLineView(
        kind=finding.kind,
        before=finding.population,
        after=after,
        removed=finding.count if finding.deed is Deed.REMOVED else 0,
        changed=finding.count if finding.deed is Deed.CHANGED else 0,
        share=finding.count / finding.population if finding.population else 0.0,
        share_max=bound_of(bounds, finding.deed),
        refused=finding.refused,
        text=finding.text,
        added=finding.count if finding.deed is Deed.ADDED else 0,
    )


def _is_digest(name: str) -> bool:
    return set(name) <= _HEX
