"""Which processes this machine has, as Linux shows them (proc(5)).

Standard library only: the supervisor imports this file.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path


def process_ids() -> Iterator[int]:
    """Of all processes; each may have ended by now."""
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def working_in(places: Collection[str]) -> Iterator[int]:
    """Ids of the processes whose working directory is one of `places`.

    Args:
        places: without links in them, as `os.path.realpath` gives them.
    """
    for pid in process_ids():
        try:
            place = os.fspath(Path(f"/proc/{pid}/cwd").readlink())
        except OSError:  # it ended, or is another user's
            continue
        if place in places:
            yield pid
