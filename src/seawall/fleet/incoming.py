"""What comes in at the nodes' port before it is looked at: sizes, bodies, numbers, all bounded."""

import asyncio
import json
import math
from typing import Any

from starlette.requests import Request

from seawall import limits
from seawall.errors import RefusedError, UsageError


def loads(body: bytes) -> Any:
    """A JSON body.

    Raises:
        UsageError: it is none.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            "bad-request", f"The body is not valid JSON: {str(error)[:200]}."
        ) from error


def declared_size(request: Request, size_bytes_max: int) -> int:
    """How long the body is said to be, in bytes.

    Raises:
        UsageError: nothing is said.
        RefusedError: it is longer than `size_bytes_max`.
    """
    text = request.headers.get("content-length", "")
    if not text.isdecimal():
        raise UsageError("length-needed", "The request has no Content-Length.")
    if int(text) > size_bytes_max:
        raise RefusedError("body-too-large", f"The body is larger than {size_bytes_max} bytes.")
    return int(text)


async def read(
    request: Request, size_bytes: int, timeout_s: float = limits.API_BODY_TIMEOUT_S
) -> bytes:
    """The body, which was announced to have `size_bytes`; no more of it is read.

    Raises:
        UsageError: it has not, or did not arrive in time.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                body += chunk
                # Sent in chunks, it has any length, whatever the header says.
                if len(body) > size_bytes:
                    break
    except TimeoutError as error:
        raise UsageError("body-timeout", "The body did not arrive in time.") from error
    if len(body) != size_bytes:
        raise UsageError("bad-request", "The body is not as long as announced.")
    return bytes(body)


def number(text: str, name: str) -> float:
    """What a query or header says as a number.

    Raises:
        UsageError: it is none, or out of all reason.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 <= found <= limits.GENERATION_MAX:  # false for nan too
        raise UsageError("bad-request", f"`{name}` is {text[:40]!r}, not a number in range.")
    return found
