"""The reader's time: repeating something with a pause between, and the moment."""

import time
from collections.abc import Iterator


def every(pause_s: float) -> Iterator[int]:
    """Count up for ever, pausing between."""
    number = 0
    while True:
        yield number
        number += 1
        time.sleep(pause_s)


def now_s() -> float:
    """Unix seconds; ages on the screen are told by the reader's clock."""
    return time.time()  # noqa: TID251 - see above
