"""`ControlPort` through control's Unix socket: how the node process of the same machine asks."""

from pathlib import Path
from typing import Final

from seawall import limits
from seawall.exchange import Answer, exchange
from seawall.fleet.client import (
    SMALL_ANSWER_SIZE_BYTES_MAX,
    TIMEOUT_S,
    ControlClient,
    Purpose,
    checked,
    unreachable,
)

_HEAD_SIZE_BYTES_MAX: Final = 8 * limits.KIB


class HttpControl(ControlClient):
    """Asks the control process that owns `control_socket`; each request connects anew."""

    def __init__(self, control_socket: Path) -> None:
        self._socket = control_socket

    async def _ask(
        self,
        purpose: Purpose,  # noqa: ARG002 - a connection each: none waits for another
        method: str,
        target: str,
        *,
        timeout_s: float = TIMEOUT_S,
        size_bytes_max: int = SMALL_ANSWER_SIZE_BYTES_MAX,
        body: bytes = b"",
    ) -> Answer:
        try:
            answer = await exchange(
                self._socket,
                method,
                target,
                timeout_s=timeout_s,
                size_bytes_max=size_bytes_max + _HEAD_SIZE_BYTES_MAX,
                body=body,
                headers={"Content-Type": "application/json"} if body else {},
            )
        except (OSError, ValueError) as error:
            raise unreachable(error) from error
        return checked(answer)
