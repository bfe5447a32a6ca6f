"""Which processes this machine has, as Linux shows them (proc(5)).

Standard library only: the supervisor imports this file.
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

START_TIME_FIELD: Final = 19
"""Index in `stat_fields` of `starttime` (field 22), in clock ticks since boot."""
_DELETED: Final = " (deleted)"


def stat_fields(pid: int) -> list[str]:
    """What `/proc/PID/stat` says after the name, which may hold anything: the state comes first.

    Raises:
        OSError: no such process.
    """
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return text.rpartition(")")[2].split()


def executable_name(pid: int) -> str:
    """The file name of what it runs, also where that was removed or replaced since.

    Raises:
        OSError: no such process, or another user's.
    """
    return Path(f"/proc/{pid}/exe").readlink().name.removesuffix(_DELETED)


def process_ids() -> Iterator[int]:
    """Of all processes; each may have ended by now."""
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 - hundreds of names, no paths


def working_in(places: Collection[str]) -> Iterator[int]:
    """Ids of the processes whose working directory is one of `places`.

    Args:
        places: without links in them, as `os.path.realpath` gives them.
    """
    for pid in process_ids():
        try:
            place = os.readlink(f"/proc/{pid}/cwd")  # noqa: PTH115 - a path costs ten times that
        except OSError:  # it ended, or is another user's
            continue
        if place in places:
            yield pid
