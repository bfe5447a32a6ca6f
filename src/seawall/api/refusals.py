"""What a release is told when it may not go on: each refusal once, with its remedy."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Final

from seawall import limits
from seawall.api.hand_views import WAITING
from seawall.api.progress import ReleaseRefusedError
from seawall.api.status_views import NoticeView
from seawall.api.views import CheckView
from seawall.api.work import Facts
from seawall.errors import (
    ConflictError,
    InternalError,
    NotFoundError,
    RefusedError,
    SeawallError,
    UnreachableError,
)
from seawall.ids import Digest, ListName, ReleaseId
from seawall.release.release import Kind, ReleaseRecord
from seawall.rollout.state import Rollout, Stage
from seawall.site.sources import BOT_MODEL, BOT_SHADOW

_DIGEST: Final = re.compile("[0-9a-fA-F]{12,64}")
"""As it is named to force it: what is shown everywhere, and long enough to mean it."""


def in_progress(what: str, *, in_the_gate: bool) -> ConflictError:
    """Another release is first; one that is in the gate is no rollout that could be withdrawn."""
    then = " once `seawall rollout` shows it" if in_the_gate else ""
    return ConflictError(
        "release-in-progress",
        f"Another release is on its way: {what}.",
        remedy=f"Wait until it has ended (`seawall status`), or `seawall abort` it{then}.",
    )


def is_digest(name: str) -> bool:
    """Whether a forced name can be a digest: in full, or its first 12 digits or more."""
    return _DIGEST.fullmatch(name) is not None


def forces(names: Sequence[str], digest: Digest) -> bool:
    """Whether one of the forced names is this digest, in full or by its first 12 digits or more."""
    return any(is_digest(name) and digest.startswith(name.lower()) for name in names)


def site_file_refused(view: CheckView, feed: str, *, serves: bool) -> ReleaseRefusedError:
    """A site file, or what is pushed into it, has errors.

    Args:
        view: all problems.
        feed: the name of the feed that is pushed; empty for a person's release.
        serves: there is a release that goes on serving.
    """
    errors = [problem for problem in view.problems if problem.severity == "error"]
    words = f"The site file has {len(errors)} error(s)."
    if errors and feed:
        words = f"The feed {feed} was not accepted: {errors[0].what}"
    elif errors:  # `status` tells these words alone
        words = f"{words} {PurePath(errors[0].file).name}:{errors[0].line}: {errors[0].what}"
    return ReleaseRefusedError(
        "site-file-refused",
        words,
        remedy="Fix them and try again." + (" What served before still serves." if serves else ""),
        problems=view.problems,
    )


def quarantined(what: str, reason: str, digest: Digest) -> SeawallError:
    """A quarantined digest was asked for without its name."""
    return RefusedError(
        "release-quarantined",
        f"{what} is quarantined: {reason}",
        remedy=f"Fix the cause. To release it all the same: --force {digest[:12]}.",
    )


def overtaken(parent: str, current: ReleaseRecord | None) -> SeawallError:
    """The caller compared with a release that is no longer current."""
    return ConflictError(
        "parent-moved",
        f"You compared with {parent[:40]}, but {current.id if current else 'nothing'} is current.",
        remedy="Look at `seawall diff` again, then apply.",
    )


def kept(serving: ReleaseId, current: ReleaseId) -> ConflictError:
    """Going back from what nodes serve is no step back in a store that does not know it."""
    return ConflictError(
        "store-behind",
        f"Nodes serve {serving}, which this store has lost: its newest release is {current}.",
        remedy=f"`seawall unfreeze` moves them to {current}, without steps. To go further back, "
        "name the release: seawall rollback RELEASE.",
    )


def nothing_before(why: str) -> SeawallError:
    """No release to go back to."""
    return NotFoundError(
        "nothing-to-roll-back-to",
        f"There is no earlier good release: {why}.",
        remedy="See `seawall releases`; name one with `seawall rollback RELEASE`.",
    )


def silent_node(release: str) -> SeawallError:
    """The node did not finish in time."""
    return UnreachableError(
        "node-silent",
        f"{release} is assigned, but the node has not served it within "
        f"{limits.APPLY_SERVE_TIMEOUT_S:.0f} s.",
        remedy="See `seawall status`. The node will load it when it is back; `seawall rollback` "
        "withdraws it.",
    )


_ENDINGS: Final = {
    Stage.ROLLED_BACK: ("rolled-back", "Fix the cause and apply again."),
    Stage.ABORTED: ("aborted", "Fix it and apply again."),
    Stage.SUPERSEDED: (
        "superseded",
        "No fault was found in it: apply it again if you still want it. See `seawall releases`.",
    ),
}


def ending(stage: Stage, record: ReleaseRecord) -> tuple[str, str]:
    """Code and remedy of a rollout that has ended in this stage, before it was done."""
    code, remedy = _ENDINGS[stage]
    if stage is Stage.ROLLED_BACK and record.kind is Kind.SITE:
        remedy += (
            " If it refuses requests on purpose: `seawall apply --break-glass REASON --force "
            f"{record.digest[:12]}`."
        )
    return code, remedy


def held_or_paused(now: Rollout) -> SeawallError:
    """A release does not go on by itself: whoever waits is told, and it stays where it is."""
    if now.paused is not None:
        why, code = f"{now.paused.actor} paused it", "paused"
    else:
        why, code = f"it is held: {now.held.reason if now.held else ''}", "held"
    return ConflictError(
        code,
        f"{now.release} is on its way, but {why}.",
        remedy="`seawall resume` continues it, `seawall abort` withdraws it.",
    )


def stopping() -> SeawallError:
    """The control process ends."""
    return UnreachableError(
        "control-stopping",
        "The control process is stopping.",
        remedy="The edge still serves. See `seawall status` when the control process runs again.",
    )


def unexpected() -> SeawallError:
    """A defect."""
    return InternalError(
        "internal",
        "The control process hit an unexpected error. The edge is not affected.",
        remedy="Please report this with logs/control.log.",
    )


def noticed(error: SeawallError) -> NoticeView:
    """What status says after the last release was refused."""
    return NoticeView(
        "warning",
        "last-release-refused",
        f"The last release was refused: {error.message}",
        "Fix the cause and apply again. What served before still serves.",
    )


def no_release() -> ConflictError:
    """There is nothing that a switch or a feed could change."""
    return ConflictError(
        "no-release",
        "There is no release yet to change.",
        remedy="Make the first with `seawall apply`.",
    )


def no_facts(current: ReleaseRecord | None) -> SeawallError:
    """There is nothing to change, or what there is cannot be read."""
    if current is None:
        return no_release()
    return UnreachableError(
        "release-unreadable",
        f"{current.id} cannot be read at the moment, and this operation needs it.",
        remedy="Try again: the machine may be short of memory, or the store unavailable. `seawall "
        "status` says whether the release is damaged; logs/control.log has more.",
    )


def damaged(current: ReleaseRecord) -> RefusedError:
    """What is stored of the current release cannot be read, nor changed."""
    return RefusedError(
        "release-damaged",
        f"{current.id} serves, but it is damaged in the store, or missing from it. A change would "
        "lose its kill switches, pushed lists and clearance keys, and could not be compared with "
        "it.",
        remedy="Go back to a release that can be read (`seawall rollback RELEASE`), then apply. To "
        f"start from nothing: `seawall apply --force {current.digest[:12]}`.",
    )


def unless_damaged(
    encoded: bytes | None, current: ReleaseRecord | None, force: Sequence[str]
) -> bytes | None:
    """What a change is made of: the current release as stored, None where there is none.

    Raises:
        RefusedError: it is damaged, and nobody named its digest.
    """
    if encoded is None and current is not None and not forces(force, current.digest):
        raise damaged(current)
    return encoded


def require_facts(facts: Facts | None, current: ReleaseRecord | None) -> Facts:
    """The facts of the current release, of which something is to be made.

    Raises:
        ConflictError: there is no release yet.
        UnreachableError: it cannot be read just now.
    """
    if facts is None:
        raise no_facts(current)
    return facts


def unfinished(newest: ReleaseRecord) -> NoticeView:
    """What status says of a release that an earlier control process left behind."""
    return NoticeView(
        "warning",
        "last-release-unfinished",
        f"{newest.id} by {newest.author} was stored but never rolled out: Seawall stopped or "
        "refused it at that moment. No node runs it.",
        "Apply again. What served before still serves.",
    )


def feed_unknown(name: str) -> NotFoundError:
    """The site file names no such feed."""
    return NotFoundError(
        "feed-unknown",
        f"The current release has no list {name[:60]!r}.",
        remedy="Write it under `lists`, and apply; see `seawall feed list`.",
    )


def require_pushed(facts: Facts, name: ListName) -> None:
    """Only what the site file names, and does not read from a file, is pushed.

    Raises:
        NotFoundError: the current release has no such feed.
        ConflictError: it is a file.
    """
    paths = {one.name: one.path for one in facts.feeds}
    paths |= {BOT_MODEL: facts.model.path, BOT_SHADOW: facts.shadow.path}
    if name not in paths:
        raise feed_unknown(name)
    if paths[name]:
        raise ConflictError(
            "feed-is-a-file",
            f"The feed {name} is read from {paths[name]}.",
            remedy="Change that file: Seawall picks it up by itself. Or remove it from the site "
            "file.",
        )


def is_pushed(facts: Facts, name: ListName) -> bool:
    """Whether the current release has such a feed, and no file for it."""
    try:
        require_pushed(facts, name)
    except SeawallError:
        return False
    return True


def push_waits(what: str, why: str) -> ConflictError:
    """It is on nobody's way yet; nothing is lost."""
    return ConflictError(
        WAITING,
        f"{what} is waiting: {why}",
        remedy="It is stored and will be released automatically after that; see `seawall feed "
        "list` and `seawall status`. A newer push replaces it.",
    )


def no_shadow() -> NotFoundError:
    """There is nothing to promote or to take away."""
    return NotFoundError(
        "no-shadow",
        "There is no shadow model.",
        remedy=f"Push one with `seawall feed push {BOT_SHADOW} FILE`.",
    )


def model_is_a_file() -> ConflictError:
    """A promotion would be overruled by the site file."""
    return ConflictError(
        "feed-is-a-file",
        "The site file reads the bot model from a file, which a promotion cannot change.",
        remedy="Replace that file with the shadow's: Seawall picks it up by itself and checks it "
        "like any release.",
    )
