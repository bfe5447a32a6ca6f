"""How a kind of failure becomes an HTTP status: the one table, and the JSON that goes with it.

Only `code`, `message` and `remedy` leave the process; `detail` is for the log.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from seawall.api.views import ErrorView
from seawall.errors import (
    ConflictError,
    InternalError,
    NotFoundError,
    RefusedError,
    SeawallError,
    UnreachableError,
    UsageError,
)

STATUS: Final[Mapping[type[SeawallError], int]] = MappingProxyType(
    {
        UsageError: 400,
        NotFoundError: 404,
        ConflictError: 409,
        RefusedError: 422,
        InternalError: 500,
        UnreachableError: 503,
    }
)
"""HTTP status by kind of error."""
STATUS_BY_CODE: Final[Mapping[str, int]] = MappingProxyType(
    {
        "unauthorized": 401,
        "forbidden": 403,
        "method-not-allowed": 405,
        "body-timeout": 408,
        "body-too-large": 413,
        "not-json": 415,
    }
)
"""Codes for which HTTP has a more exact status than their kind."""
UNEXPECTED: Final = ErrorView(
    "internal",
    "The control process hit an unexpected error. The edge is not affected.",
    "Please report this with logs/control.log.",
)


def status_of(error: SeawallError) -> int:
    """The HTTP status of an error."""
    exact = STATUS_BY_CODE.get(error.code)
    kinds = (STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    return exact or next(kinds, 500)


def error_view(error: SeawallError) -> ErrorView:
    """What the caller is told."""
    return ErrorView(error.code, error.message, error.remedy)


def error_from(view: ErrorView, status: int) -> SeawallError:
    """The error a client raises for an answer: the same kind as the server had."""
    for kind, its_status in STATUS.items():
        if its_status == status:
            return kind(view.code, view.message, remedy=view.remedy)
    kinds: dict[int, type[SeawallError]] = {413: RefusedError}
    kind = kinds.get(status, UsageError if status < 500 else UnreachableError)  # noqa: PLR2004 - 5xx
    return kind(view.code, view.message, remedy=view.remedy)
