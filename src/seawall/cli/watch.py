"""Repeating something until Ctrl-C, which is a way to end well and not a failure."""

import time
from collections.abc import Iterator


def every(pause_s: float) -> Iterator[int]:
    """Count up, pausing between; ends quietly when the user interrupts a pause."""
    number = 0
    while True:
        yield number
        number += 1
        try:
            time.sleep(pause_s)
        except KeyboardInterrupt:
            return
