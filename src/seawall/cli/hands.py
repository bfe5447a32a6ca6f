"""Commands with which an operator takes the wheel: kill switches, feeds, quarantine, rollouts.

They talk to control over its own socket and never through the edge: they work with every Envoy
dead and without a resolver.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

from seawall import limits
from seawall.api.hand_requests import KillRequest, UnkillRequest
from seawall.api.rollout_views import RolloutHistoryView, RolloutsView
from seawall.cli.connect import connect
from seawall.cli.follow import followed
from seawall.cli.target import Target
from seawall.cli.watch import every, now_s
from seawall.console import hands as draw
from seawall.console.output import Output, styled
from seawall.daemon.processes import user_name
from seawall.errors import RefusedError, UsageError
from seawall.exit_codes import DONE, REFUSED
from seawall.site.disk import read_file

_TTL: Final = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_REFRESH_S: Final = 1.0


def kill(output: Output, target: Target, request: KillRequest) -> int:
    """Switch a feature off for a while.

    Raises:
        UsageError: there is no such feature, or the time is out of bounds.
        UnreachableError: nothing runs there.
    """
    with connect(target) as client:
        return followed(output, client.kill(request))


def unkill(output: Output, target: Target, request: UnkillRequest) -> int:
    """End a kill switch before its time.

    Raises:
        NotFoundError: it is not on.
        UnreachableError: nothing runs there.
    """
    with connect(target) as client:
        return followed(output, client.unkill(request))


def switches(output: Output, target: Target) -> int:
    """List the kill switches that are on, and everything that can be killed."""
    with connect(target) as client:
        view = client.switches()
    output.tell(view, lambda: draw.switches(view))
    return DONE


def feature_of(feature: str | None) -> str:
    """What to switch off.

    Raises:
        UsageError: nothing was named, though it was said where, for how long or why.
    """
    if feature is None:
        raise UsageError(
            "feature-missing",
            "Name a feature to switch off.",
            remedy="`seawall kill --list` shows all features.",
        )
    return feature


def seconds(ttl: str) -> float | None:
    """A time as people write it: `90s`, `30m`, `2h`, `1d`; None for nothing written.

    Raises:
        UsageError: it is not a duration.
    """
    if not ttl:
        return None
    found = _TTL.fullmatch(ttl)
    if found is None:
        raise UsageError(
            "bad-duration",
            f"{ttl[:40]!r} is not a duration.",
            remedy="Write for example 90s, 30m or 2h.",
        )
    return int(found[1]) * float(_UNIT_S[found[2]])


def push_feed(
    output: Output, target: Target, name: str, file: Path, *, message: str, force: tuple[str, ...]
) -> int:
    """Release new content of a feed.

    Raises:
        UsageError: the file cannot be read.
        RefusedError: it is too large.
        NotFoundError: there is no such list.
    """
    try:
        content = read_file(str(file.absolute()))
    except OSError as error:
        raise UsageError(
            "feed-unreadable",
            f"{file} cannot be read: {error.strerror or error}.",
            remedy="Check that it is a file and that you may read it.",
        ) from error
    if len(content) > limits.LIST_SIZE_BYTES_MAX:
        raise RefusedError(
            "feed-too-large",
            f"{file} has more than {limits.LIST_SIZE_BYTES_MAX:,} bytes.",
            remedy="Check the program that wrote it.",
        )
    with connect(target) as client:
        events = client.push_feed(name, content, author=user_name(), message=message, force=force)
        return followed(output, events)


def rotate_keys(output: Output, target: Target, *, reason: str, break_glass: bool) -> int:
    """Sign clearances with a new key.

    Raises:
        ConflictError: nothing is signed yet, or another release is on its way.
    """
    with connect(target) as client:
        events = client.rotate_keys(user_name(), reason, break_glass=break_glass)
        return followed(output, events)


def feeds(output: Output, target: Target) -> int:
    """List the address lists of the current release."""
    with connect(target) as client:
        view = client.feeds()
    output.tell(view, lambda: draw.feeds(view, now_s()))
    return DONE


def quarantine(output: Output, target: Target) -> int:
    """List content that may not be rolled out again."""
    with connect(target) as client:
        view = client.quarantine()
    output.tell(view, lambda: draw.quarantine(view, now_s()))
    return DONE


def release_quarantine(output: Output, target: Target, digest: str) -> int:
    """Let quarantined content be rolled out again.

    Raises:
        NotFoundError: it is not quarantined.
    """
    with connect(target) as client:
        view = client.release_quarantine(digest)
    words = f"{view.digest[:12]} may be rolled out again. It was quarantined because: {view.reason}"
    output.tell(view, lambda: styled(words))
    return DONE


def steer(
    output: Output, target: Target, deed: Literal["pause", "resume", "abort"], reason: str
) -> int:
    """Pause, resume or abort the running rollout.

    Raises:
        NotFoundError: no release is on its way.
    """
    with connect(target) as client:
        view = client.steer(deed, user_name(), reason)
    output.tell(view, lambda: draw.rollout(view, now_s()))
    return DONE


def freeze(output: Output, target: Target, reason: str) -> int:
    """Stop every start and advance of a release."""
    with connect(target) as client:
        view = client.freeze(user_name(), reason)
    return _show_now(output, view)


def unfreeze(output: Output, target: Target) -> int:
    """Lift the freeze.

    Raises:
        ConflictError: nothing is frozen.
    """
    with connect(target) as client:
        view = client.unfreeze(user_name())
    return _show_now(output, view)


def rollout(output: Output, target: Target, release: str, *, watch: bool) -> int:
    """Tell the story of a release's rollout, or what goes on now.

    Returns:
        `REFUSED` when the newest rollout of the release did not succeed.

    Raises:
        NotFoundError: there is no such release.
    """
    with connect(target) as client:
        if not release:
            now = client.rollouts()
            newest = now.running or (now.waiting[0] if now.waiting else None)
            if newest is None:
                return _show_now(output, now)
            release = newest.release
        story = client.rollout_story(release)
        if watch:
            with suppress(KeyboardInterrupt):
                for _ in every(_REFRESH_S):
                    story = client.rollout_story(release)
                    if _ended(story) or output.unread:
                        break
                    _show_story(output, story)
        _show_story(output, story)
    failed = story.rollouts and story.rollouts[-1].stage in ("rolled-back", "aborted")
    return REFUSED if failed else DONE


def _ended(story: RolloutHistoryView) -> bool:
    return all(one.ended_s is not None for one in story.rollouts)


def _show_story(output: Output, story: RolloutHistoryView) -> None:
    output.tell(story, lambda: draw.story(story, now_s()))


def _show_now(output: Output, view: RolloutsView) -> int:
    output.tell(view, lambda: draw.rollouts(view, now_s()))
    return DONE
