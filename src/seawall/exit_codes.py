"""How a kind of failure becomes an exit code: the one table, for every command.

Scripts rely on these four numbers; a new kind of error gets one of them, never a fifth.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from seawall.errors import (
    ConflictError,
    InternalError,
    NotFoundError,
    RefusedError,
    SeawallError,
    UnreachableError,
    UsageError,
)

DONE: Final = 0
"""It was done, or what was looked at is well."""
REFUSED: Final = 1
"""Understood and refused, or what was looked at is not well."""
USAGE: Final = 2
"""The command makes no sense as it was typed."""
UNREACHABLE: Final = 3
"""What is needed cannot be reached: usually no `seawall up` runs on this data directory."""

OF_KIND: Final[Mapping[type[SeawallError], int]] = MappingProxyType(
    {
        UsageError: USAGE,
        RefusedError: REFUSED,
        NotFoundError: REFUSED,
        ConflictError: REFUSED,
        InternalError: REFUSED,
        UnreachableError: UNREACHABLE,
    }
)


def exit_code(error: SeawallError) -> int:
    """The exit code of a failure."""
    return OF_KIND.get(type(error), REFUSED)
