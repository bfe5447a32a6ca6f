"""The JSON shapes of what operators order in a hurry, with their defaults."""

from dataclasses import dataclass

from seawall import limits
from seawall.errors import RefusedError, UsageError


@dataclass(frozen=True, slots=True)
class KillRequest:
    """Switch a feature off for a while.

    Attributes:
        feature: one of those in `GET /v1/switches`.
        site: only there; null everywhere.
        ttl_s: how long; null for half an hour.
        reason: needed where a protection is lost.
        force: as in apply.
        break_glass: skip the steps of the rollout; recorded.
    """

    feature: str
    site: str | None = None
    ttl_s: float | None = None
    reason: str = ""
    author: str = ""
    force: tuple[str, ...] = ()
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class UnkillRequest:
    """End a kill switch before its time."""

    feature: str
    site: str | None = None
    author: str = ""
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class FeedRequest:
    """New content of a feed: exactly one of `text` and `base64`."""

    text: str | None = None
    base64: bytes | None = None
    author: str = ""
    message: str = ""
    force: tuple[str, ...] = ()
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class PromoteRequest:
    """Make the shadow the bot model.

    Attributes:
        shadow: first digits of the digest of the one that is meant; empty for the one there is.
        force: as in apply.
        break_glass: skip the steps of the rollout; recorded.
    """

    shadow: str = ""
    author: str = ""
    message: str = ""
    force: tuple[str, ...] = ()
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class DeedRequest:
    """Pause, resume, abort, freeze, unfreeze and the like: who, and why."""

    author: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RotateRequest:
    """Sign clearances with a new key.

    Attributes:
        break_glass: skip the steps of the rollout; recorded.
    """

    author: str = ""
    reason: str = ""
    break_glass: bool = False


def feed_content(request: FeedRequest) -> bytes:
    """The bytes of a pushed feed.

    Raises:
        UsageError: none, or two.
        RefusedError: too many.
    """
    if (request.text is None) == (request.base64 is None):
        raise UsageError(
            "bad-request",
            "Exactly one of `text` and `base64` is needed.",
            remedy="Send UTF-8 content as `text`.",
        )
    content = request.base64
    if content is None:
        content = (request.text or "").encode(errors="surrogatepass")
    if len(content) > limits.LIST_SIZE_BYTES_MAX:
        raise RefusedError(
            "feed-too-large",
            f"The content has {len(content):,} bytes; at most {limits.LIST_SIZE_BYTES_MAX:,} are "
            "allowed.",
            remedy="Check the program that wrote it.",
        )
    return content
