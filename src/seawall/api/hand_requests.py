"""The JSON shapes of what operators order in a hurry, with their defaults."""

from dataclasses import dataclass

from seawall import limits
from seawall.errors import RefusedError, UsageError


@dataclass(frozen=True, slots=True)
class KillRequest:
    """Switch a feature off for a limited time.

    Attributes:
        feature: one of those in `GET /v1/switches`.
        site: only on this site; null for the whole edge.
        ttl_s: how long, in seconds; null for half an hour.
        reason: required if the switch lowers protection.
        force: as in `ApplyRequest`.
        break_glass: skip the steps of the rollout; this is recorded.
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
    """End a kill switch before it expires."""

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
    """Make the shadow model the bot model.

    Attributes:
        shadow: first digits of the digest of the shadow that is meant; empty for the current
            shadow.
        force: as in `ApplyRequest`.
        break_glass: skip the steps of the rollout; this is recorded.
    """

    shadow: str = ""
    author: str = ""
    message: str = ""
    force: tuple[str, ...] = ()
    break_glass: bool = False


@dataclass(frozen=True, slots=True)
class DeedRequest:
    """Who asks for a pause, resume, abort, freeze, unfreeze or the like, and why."""

    author: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RotateRequest:
    """Sign clearances with a new key.

    Attributes:
        break_glass: skip the steps of the rollout; this is recorded.
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
