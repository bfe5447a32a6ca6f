"""Repeating something with a pause between."""

import time
from collections.abc import Iterator


def every(pause_s: float) -> Iterator[int]:
    """Count up for ever, pausing between."""
    number = 0
    while True:
        yield number
        number += 1
        time.sleep(pause_s)
