"""Who asks, and what is sent, made safe to keep: names, ids and messages as bounded plain text."""

from dataclasses import dataclass
from typing import Final

from seawall import limits
from seawall.errors import NotFoundError, UsageError
from seawall.ids import NodeName, ReleaseId

_ID_CHARS_MAX: Final = 19
"""`r` and the digits of a 64-bit number that is certainly in range."""
AUTHOR_HEADER: Final = "x-seawall-author"
"""Who asks, percent-encoded: for requests that have no body, or none that says it."""
_ALL_SCOPES: Final = frozenset({"read", "write"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the local user behind the Unix socket, or the holder of a token.

    Attributes:
        author: who it is by the header `AUTHOR_HEADER`; empty without it.
    """

    name: str
    scopes: frozenset[str] = _ALL_SCOPES
    local: bool = False
    author: str = ""


def check_node(node: NodeName) -> None:
    """Refuse what cannot be the name of a node.

    Raises:
        UsageError: empty, too long, or no plain text.
    """
    if not 0 < len(node) <= limits.NAME_LENGTH_CHARS_MAX or not node.isprintable():
        raise UsageError("bad-request", "The name of the node is empty, too long, or not text.")


def release_id(text: str) -> ReleaseId:
    """A release id that may exist.

    Raises:
        NotFoundError: it cannot exist.
    """
    if (
        not (text.startswith("r") and text[1:].isascii() and text[1:].isdigit())
        or len(text) > _ID_CHARS_MAX
    ):
        raise NotFoundError(
            "release-unknown",
            f"There is no release {text[:40]!r}.",
            remedy="See `seawall releases`; a release is named like r12.",
        )
    return ReleaseId(text)


def author_of(author: str, caller: Caller) -> str:
    """Who a release is by: whoever says so on this machine; elsewhere the token is named too.

    Raises:
        UsageError: too long, or no plain text.
    """
    name = author.strip() or caller.author.strip() or caller.name
    return _text(name if caller.local else f"{name} (token {caller.name})", "author")


def actor_of(caller: Caller) -> str:
    """Who is recorded for a deed whose request names nobody.

    Raises:
        UsageError: too long, or no plain text.
    """
    return author_of("", caller)


def message_of(message: str) -> str:
    """The message of a release.

    Raises:
        UsageError: too long, or no plain text.
    """
    if len(message) > limits.RELEASE_MESSAGE_LENGTH_CHARS_MAX:
        raise UsageError(
            "message-too-long",
            f"The message has {len(message)} characters; at most "
            f"{limits.RELEASE_MESSAGE_LENGTH_CHARS_MAX} are allowed.",
            remedy="Shorten it.",
        )
    return _text(message, "message")


def _text(text: str, what: str) -> str:
    if any(not (char.isprintable() or char in "\n\t") for char in text):
        raise UsageError(
            "bad-request", f"The {what} contains control characters.", remedy="Send plain text."
        )
    if what == "author" and len(text) > limits.RELEASE_AUTHOR_LENGTH_CHARS_MAX:
        raise UsageError("bad-request", "The author's name is too long.", remedy="Shorten it.")
    return text
