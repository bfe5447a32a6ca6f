"""What an operation of the HTTP API is, as data."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from seawall import limits

Scope = Literal["open", "read", "write", "node"]
NDJSON: Final = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter; without a default it is required.

    Attributes:
        least: of a number; a smaller one is refused.
    """

    name: str
    kind: type[int] | type[float] | type[str]
    doc: str
    default: int | float | str | None = None
    required: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: of the method that serves it, and the OpenAPI operation id.
        request: shape of the body; None when there is none.
        answer: shape of the answer; None for `media` other than JSON or for no answer.
        media: of the answer.
        status: of success.
        body_size_bytes_max: a larger body is refused.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    name: str
    summary: str
    scope: Scope
    answer: Any = None
    request: type | None = None
    query: tuple[Query, ...] = ()
    media: str = "application/json"
    status: int = 200
    body_size_bytes_max: int = limits.API_SMALL_BODY_SIZE_BYTES_MAX
