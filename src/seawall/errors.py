"""The error tree: one small set of kinds, each with three texts for three readers.

`code` is for machines and never changes; `message` is for the person (what, where, why); `remedy`
says what to do. `detail` is for logs only and may hold text of other programs. How a kind becomes
an exit code or an HTTP status is said once, in `seawall.exit_codes` and `seawall.api.errors`.
"""

from typing import NoReturn, assert_never

__all__ = [
    "ConflictError",
    "InternalError",
    "NotFoundError",
    "RefusedError",
    "SeawallError",
    "UnreachableError",
    "UsageError",
    "assert_never",
    "invariant",
]


class SeawallError(Exception):
    """Base of every expected failure.

    Args:
        code: stable kebab-case identifier, for example `release-quarantined`.
        message: what is wrong, where, and why; shown to the person who asked.
        remedy: what to do next; may be empty when there is nothing to do.
        detail: extra text for logs only; never shown unasked, never a secret.
    """

    kind = "error"

    def __init__(self, code: str, message: str, *, remedy: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(SeawallError):
    """The request itself makes no sense: a bad argument, an unknown name, malformed input."""

    kind = "usage"


class RefusedError(SeawallError):
    """Understood, and refused by a check, a guard, a limit, or Envoy."""

    kind = "refused"


class NotFoundError(SeawallError):
    """The named thing does not exist here."""

    kind = "not-found"


class ConflictError(SeawallError):
    """Somebody else changed the same thing first, or it is in use."""

    kind = "conflict"


class UnreachableError(SeawallError):
    """A process, socket, store or file that is needed cannot be reached now."""

    kind = "unreachable"


class InternalError(SeawallError):
    """A broken invariant: a defect of Seawall, with enough detail to report it."""

    kind = "internal"


def invariant(condition: object, what: str) -> None:
    """Stop when something that must hold does not; unlike `assert`, `-O` cannot remove it.

    Raises:
        InternalError: `condition` is false.
    """
    if not condition:
        _broken(what)


def _broken(what: str) -> NoReturn:
    raise InternalError(
        "invariant-broken",
        f"Internal error: {what}.",
        remedy="This is a defect of Seawall: please report it with the log.",
    )
