"""The two things every test with processes and sockets needs: a port and a way to wait."""

import socket
import time
from collections.abc import Callable
from typing import Final, TypeVar

POLL_S: Final = 0.01
Value = TypeVar("Value")


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Value], *, what: str, deadline_s: float = 15.0) -> Value:
    """Poll until `condition()` is true and return its value; fail with `what` at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s in vain: {what}")
        time.sleep(POLL_S)
