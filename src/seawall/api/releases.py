"""Releases and tokens as they are shown, and their content as it is stored."""

from collections.abc import Sequence
from dataclasses import replace

from seawall.api.roster import Roster
from seawall.api.status_views import TokenView
from seawall.api.views import NO_ROLLOUT, ReleaseView
from seawall.release.bundle import Bundle, decode
from seawall.release.ledger import Token
from seawall.release.release import ReleaseRecord
from seawall.release.store import Store
from seawall.rollout.ports import NodeReport, Phase


def release_view(
    record: ReleaseRecord, current: ReleaseRecord | None, reports: Sequence[NodeReport]
) -> ReleaseView:
    """A release with what the edge and its nodes have to do with it."""
    return ReleaseView(
        id=record.id,
        digest=record.digest,
        kind=record.kind.value,
        parent=record.parent,
        author=record.author,
        message=record.message,
        created_s=record.created_s,
        quarantined=record.quarantined,
        current=current is not None and current.id == record.id,
        serving=any(report.release == record.id for report in reports),
        last_known_good=any(report.keeps(record.id, record.digest) for report in reports),
    )


def looked_up_view(record: ReleaseRecord, roster: Roster) -> ReleaseView:
    """A release that was read from the store just now: its newest rollout, and its signature."""
    seen = release_view(record, roster.current, roster.reports())
    return replace(seen, rollout=record.stage or NO_ROLLOUT, signed=roster.signed(record))


def nothing_new(current: ReleaseRecord, roster: Roster, why: str) -> str:
    """That `current` needs no new release, and what to do where a node has gone back from it.

    Args:
        current: what was asked for.
        roster: with what nodes serve instead.
        why: for example "is already current".
    """
    told = f"{current.id} {why}: nothing to change."
    back = [
        one
        for one in roster.reports()
        if one.phase is Phase.REJECTED and one.release and one.release != current.id
    ]
    if not back:
        return told
    return (
        f"{told} But {back[0].node} does not serve it: {back[0].message.rstrip('.')}. "
        f"{out_of_step_back(current.id, str(back[0].release))}"
    )


def out_of_step_back(current: str, serves: str) -> str:
    """What to do about a node that went back from `current` to what it `serves` by itself."""
    return (
        "For the reason, see node/stable/envoy.log in the node's data directory. To stay with "
        f"{serves}: `seawall rollback {serves}`; after that, `seawall rollback {current}` tries "
        f"{current} again."
    )


def token_view(token: Token, *, revoked: bool = False) -> TokenView:
    """A token without its value."""
    return TokenView(
        id=token.name,
        name=token.name,
        scopes=tuple(sorted(scope.value for scope in token.scopes)),
        created_s=token.created_s,
        last_used_s=token.last_used_s,
        expires_s=token.expires_s,
        revoked=revoked,
    )


def bundle_of(store: Store, record: ReleaseRecord) -> Bundle:
    """The content of a stored release; blocks.

    Raises:
        NotFoundError: retention has dropped it.
        RefusedError: it is damaged.
    """
    return decode(store.bundle_bytes(record.digest))
