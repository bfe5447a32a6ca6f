"""The two things every test with processes and sockets needs: a port and a way to wait."""

import os
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

POLL_S: Final = 0.01
POLL_S_MAX: Final = 0.25
POLL_SHARE: Final = 5
"""A poll waits so many times as long as the question took, and no longer than `POLL_S_MAX`."""
Value = TypeVar("Value")
_GIVEN_OUT: Final[deque[int]] = deque(maxlen=100)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on just now.

    Tests that run beside each other take different ones: each worker has its own remainder. Of
    half the number, because Linux gives ports of one parity to those who only bind. Nobody listens
    on a port yet when the next one is asked for, so the last ones are not given out again.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port // 2 % workers == worker % workers and port not in _GIVEN_OUT:
            _GIVEN_OUT.append(port)
            return port


def wait_until(condition: Callable[[], Value], *, what: str, deadline_s: float = 60.0) -> Value:
    """Poll until `condition()` is true and return its value; fail with `what` at the deadline.

    What takes long to ask is asked less often: whoever answers needs the processor for what is
    waited for.
    """
    end = time.monotonic() + deadline_s
    while True:
        asked = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > end:
            raise AssertionError(f"waited {deadline_s} s in vain: {what}")
        time.sleep(min(max(POLL_S, POLL_SHARE * (now - asked)), POLL_S_MAX))
