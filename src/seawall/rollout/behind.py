"""A store that is older than its nodes: they keep what they serve until a person has looked.

A store that was restored from a backup, or lost its last writes with the machine of its database,
still says what stood then, and every node would go back to that at once, without a step. A node
that was told a larger number than this store ever gave shows it. Then releases are frozen, and a
node that serves other content than it would be told keeps it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from seawall import limits
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.rollout.draft import Draft
from seawall.rollout.ports import NodeReport
from seawall.rollout.state import Assigned, Fleet, Freeze
from seawall.rollout.words import names_text

ACTOR: Final = "control"
"""Who freezes; a person is named otherwise."""


def reachable(fleet: Fleet) -> int:
    """The largest generation that a node is believed to have."""
    return fleet.generation + limits.GENERATION_LEAD_MAX


def keeps(fleet: Fleet, told: Assigned, report: NodeReport | None, digest: Digest) -> bool:
    """Whether a node keeps what it serves, although it would be told `digest`.

    Args:
        fleet: as it is planned; while nothing is frozen, no node keeps anything.
        told: what this store told it last.
        report: what it said; None when it is silent.
        digest: of what it would be told to serve.
    """
    return fleet.frozen is not None and _apart(fleet, told, report, digest)


def kept(fleet: Fleet, reports: Iterable[NodeReport]) -> ReleaseId | None:
    """What the first node that keeps something serves, by the name it had then; None for none."""
    target = fleet.target
    for report in reports:
        told = fleet.assigned.get(report.node)
        if target and told and keeps(fleet, told, report, target.digest):
            return report.release
    return None


def look(draft: Draft) -> None:
    """Freeze releases when nodes are ahead of the store, and lift that when none is any more."""
    fleet = draft.fleet
    apart = tuple(_nodes_apart(draft))
    newest = max((report.generation for report in apart), default=0)
    if newest > fleet.generation:
        words = _words([report.node for report in apart], fleet)
        # From here on its numbers are known to the store: once they are looked at, they count.
        draft.fleet = replace(
            fleet, frozen=_frozen(fleet.frozen, words, draft.now_s), generation=Generation(newest)
        )
        draft.say(None, "store-behind", words)
    elif _lifts(draft, apart):
        draft.fleet = replace(fleet, frozen=None)
        draft.say(None, "unfrozen", "unfrozen: every node was told what this store says")


def _frozen(before: Freeze | None, words: str, now_s: float) -> Freeze:
    """A freeze by a person stays theirs: only they lift it."""
    if before is None or before.actor == ACTOR:
        return Freeze(ACTOR, words, before.since_s if before else now_s)
    return replace(before, reason=f"{before.reason}; {words}" if before.reason else words)


def _lifts(draft: Draft, apart: tuple[NodeReport, ...]) -> bool:
    """Whether all that were told something were heard, and none keeps anything else."""
    fleet = draft.fleet
    if fleet.frozen is None or fleet.frozen.actor != ACTOR or apart:
        return False
    return all(draft.inventory.report(name) is not None for name in fleet.assigned)


def _nodes_apart(draft: Draft) -> Iterator[NodeReport]:
    fleet = draft.fleet
    if fleet.target is None:
        return
    for name in _uncommitted(fleet):
        report = draft.inventory.report(name)
        if report is not None and _apart(fleet, fleet.assigned[name], report, fleet.target.digest):
            yield report


def _uncommitted(fleet: Fleet) -> list[NodeName]:
    """Nodes that no rollout has told to commit: that is a person's word, or was judged."""
    running = fleet.running
    committed = running.committed if running is not None else ()
    return sorted(name for name in fleet.assigned if name not in committed)


def _apart(fleet: Fleet, told: Assigned, report: NodeReport | None, digest: Digest) -> bool:
    return (
        report is not None
        and told.generation < report.generation <= reachable(fleet)
        and report.digest not in {None, digest}
    )


def _words(names: Sequence[NodeName], fleet: Fleet) -> str:
    target = fleet.target.release if fleet.target is not None else "nothing"
    return (
        f"this store is older than what was released to {names_text(names)}: it was restored from "
        "a backup, or lost what it wrote last. They keep what they serve. `seawall apply "
        "--break-glass REASON` of the site file of today says that this is what serves; `seawall "
        f"unfreeze` takes them to {target}, without steps"
    )
