"""Whether the files that Envoy may open will do for the connections that it may take."""

import os
import resource
from functools import lru_cache
from pathlib import Path

from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap
from envoy.extensions.resource_monitors.downstream_connections.v3 import (
    downstream_connections_pb2,
)

from seawall.compiler.hardening.bootstrap import CONNECTIONS
from seawall.limits import (
    OPEN_FILES_FEW_SHARE,
    OPEN_FILES_OF_A_CONNECTION,
    OPEN_FILES_USED_UP_SHARE,
)
from seawall.procfs import working_in
from seawall.telemetry.collector import MORE_FILES


def files_notice(pid: int, bootstrap: bytes) -> str:
    """What a person should know of the files of the Envoy `pid`; empty when they will do.

    Args:
        pid: 0 when there is none.
        bootstrap: the release's part of what it was started with.
    """
    found = _files_of(pid)
    return notice(*found, connections_max(bootstrap)) if found is not None else ""


def files_used_up(directory: Path) -> int | None:
    """How many files the Envoy that works in `directory` may open, if it has them open; else None.

    It takes no connection then, also not on its admin socket.
    """
    for pid in working_in({os.path.realpath(directory)}):
        found = _files_of(pid)
        if found is not None and found[0] >= found[1] * OPEN_FILES_USED_UP_SHARE:
            return found[1]
    return None


def notice(used: int, allowed: int, connections: int) -> str:
    """The same of numbers.

    One that has used up its files is told by whoever finds it silent.

    Args:
        used: open files.
        allowed: how many it may open.
        connections: how many it may take.
    """
    if allowed * OPEN_FILES_FEW_SHARE <= used < allowed * OPEN_FILES_USED_UP_SHARE:
        return (
            f"Envoy has {used:,} of at most {allowed:,} files open. When none is free, it accepts "
            f"no new connections. {MORE_FILES}"
        )
    possible = allowed // OPEN_FILES_OF_A_CONNECTION
    if possible < connections:
        return (
            f"Envoy may open {allowed:,} files. That is enough for about {possible:,} connections, "
            f"not for the {connections:,} of max_connections. {MORE_FILES}"
        )
    return ""


@lru_cache(maxsize=4)
def connections_max(bootstrap: bytes) -> int:
    """How many connections of clients a release lets Envoy take; 0 when it does not say."""
    config = downstream_connections_pb2.DownstreamConnectionsConfig()
    for monitor in Bootstrap.FromString(bootstrap).overload_manager.resource_monitors:
        if monitor.name == CONNECTIONS and monitor.typed_config.Unpack(config):
            return int(config.max_active_downstream_connections)
    return 0


def _files_of(pid: int) -> tuple[int, int] | None:
    """How many files a process has open, and how many it may; None when there is no process."""
    folder = f"/proc/{pid}/fd"
    try:
        counted = os.stat(folder).st_size  # noqa: PTH116 - Linux 6.2 and newer tell so
        used = counted or len(os.listdir(folder))  # noqa: PTH208 - thousands of names, no paths
        allowed, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except OSError:
        return None
    return used, allowed
