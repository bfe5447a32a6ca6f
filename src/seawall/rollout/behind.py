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
BRAKE: Final = "seawall itself"
"""Who freezes while most of the fleet is unwell, and lifts that by itself. No login name has a
blank in it: where Seawall has a user of its own, a person is called `seawall`."""
_MARK: Final = "this store is older than"
"""Before what is said here in the reason of a freeze."""


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
    if newest > fleet.generation or (apart and fleet.frozen is not None):
        _freeze(draft, _words([report.node for report in apart], fleet), newest)
    elif fleet.frozen is not None and _MARK in fleet.frozen.reason:
        _lift(draft, fleet.frozen)


def with_standing(frozen: Freeze | None, reason: str) -> str:
    """The reason of a new freeze, with what this module had to say in the one before."""
    mark = frozen.reason.find(_MARK) if frozen is not None else -1
    kept = frozen.reason[mark:] if frozen is not None and mark >= 0 else ""
    return "; ".join(part for part in (reason, kept) if part)


def _freeze(draft: Draft, words: str, newest: int) -> None:
    """From here on the store knows the nodes' numbers: once they are looked at, they count."""
    fleet = draft.fleet
    before = fleet.frozen
    if before is None or before.actor == BRAKE:
        # The brake lets go when the fleet is well again, and nobody has looked at this by then.
        frozen = Freeze(ACTOR, words, before.since_s if before else draft.now_s)
        draft.fleet = replace(fleet, frozen=frozen)
    else:
        _note(draft, words)
    if newest > fleet.generation:
        draft.fleet = replace(draft.fleet, generation=Generation(newest))
        if before is None or words not in before.reason:
            draft.say(None, "store-behind", words)


def _lift(draft: Draft, frozen: Freeze) -> None:
    """Take back what was said of this store once every node was heard, and the own freeze."""
    fleet = draft.fleet
    unheard = [name for name in sorted(fleet.assigned) if draft.inventory.report(name) is None]
    if unheard:
        _note(draft, _waits(unheard))
    elif frozen.actor == ACTOR:
        draft.fleet = replace(fleet, frozen=None)
        draft.say(None, "unfrozen", "unfrozen: every node now follows this store")
    else:
        _note(draft, "")


def _note(draft: Draft, words: str) -> None:
    """Put `words` in the place of what was said of this store before; a person's reason stays."""
    frozen = draft.fleet.frozen
    if frozen is not None:
        own = frozen.reason.partition(_MARK)[0].removesuffix("; ")
        reason = "; ".join(part for part in (own, words) if part)
        draft.fleet = replace(draft.fleet, frozen=replace(frozen, reason=reason))


def news(fleet: Fleet, told: Assigned) -> bool:
    """Whether a rollout commits on a node what it was not told yet: a person's word, or judged."""
    running = fleet.running
    return running is not None and told.node in running.committed and told.digest != running.digest


def _nodes_apart(draft: Draft) -> Iterator[NodeReport]:
    fleet = draft.fleet
    for name, told in sorted(fleet.assigned.items()):
        report, digest = draft.inventory.report(name), _wanted(fleet, name)
        if report is None or digest is None or news(fleet, told):
            continue
        if _apart(fleet, told, report, digest):
            yield report


def _wanted(fleet: Fleet, name: NodeName) -> Digest | None:
    """What a node is to serve."""
    running = fleet.running
    if running is not None and name in running.committed:
        return running.digest
    return fleet.target.digest if fleet.target is not None else None


def _apart(fleet: Fleet, told: Assigned, report: NodeReport | None, digest: Digest) -> bool:
    return (
        report is not None
        and told.generation < report.generation <= reachable(fleet)
        and report.digest not in {None, digest}
    )


def _words(names: Sequence[NodeName], fleet: Fleet) -> str:
    target = fleet.target.release if fleet.target is not None else "nothing"
    return (
        f"{_MARK} the releases on {names_text(names)}: it was restored from a backup, or lost "
        "its latest writes. These nodes keep what they serve. To release today's site file "
        "instead: `seawall apply --break-glass REASON`. `seawall unfreeze` moves them to "
        f"{target} without steps, and so does a kill switch with `--break-glass`"
    )


def _waits(names: Sequence[NodeName]) -> str:
    return (
        f"{_MARK} its nodes were, and {names_text(names)}, not heard from yet, may serve "
        "releases that it does not know. `seawall unfreeze` does not wait for them. If a node "
        "is gone for good: `seawall nodes remove`"
    )
