"""Starts control: `python -m seawall.daemon.control --config F --data-dir D --parent-fd N`.

Its first workbench is started before anything else, so that two processors load the libraries of
both at once: there is work for it as soon as control answers. Standard library only; control itself
is `seawall.daemon.control_process`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seawall.api.bench_process import BenchProcess
from seawall.installation import started_from
from seawall.node.process import raise_file_limit


@dataclass(frozen=True, slots=True)
class Ways:
    """How control is reached besides its Unix socket; each is HOST:PORT, or empty.

    Attributes:
        api: of the operators' API, by token.
        listen_nodes: for nodes of other machines.
        advertise: what those nodes use instead of `listen_nodes`.
        mirror_dir: where every bundle is written for mirrors; empty for nowhere.
    """

    api: str = ""
    listen_nodes: str = ""
    advertise: str = ""
    mirror_dir: str = ""

    @property
    def address(self) -> str:
        """What others know this process by."""
        return self.advertise or self.listen_nodes or self.api


@dataclass(frozen=True, slots=True)
class Options:
    """What control is told by its command.

    Attributes:
        data_dir: absolute.
        config: site file to apply at start and to compare with, absolute; None for none.
        parent_fd: end of file on it means that the supervisor is gone; None without one.
        database: URL of PostgreSQL; empty for the store in `data_dir`.
        ways: how it is reached.
    """

    data_dir: Path
    config: Path | None
    parent_fd: int | None
    database: str
    ways: Ways


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code (1: could not start)."""
    options = _options(argv)
    raise_file_limit()
    started_from()  # asked again before the workbench is used: both are of the same files
    first = None
    with suppress(OSError):  # control starts one when it needs it, and says what is wrong
        first = BenchProcess(options.data_dir / "control")
    try:
        from seawall.daemon.control_process import serve  # noqa: PLC0415 - the workbench loads beside it

        return serve(options, first)
    finally:
        if first is not None:
            first.end()


def _options(argv: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="seawall.daemon.control", description=__doc__)
    parser.add_argument("--config", default="")
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--api", default="")
    parser.add_argument("--listen-nodes", default="")
    parser.add_argument("--advertise", default="")
    parser.add_argument("--mirror-dir", default="")
    # By the environment, so that a password in it is in no list of processes.
    parser.add_argument("--database", default=os.environ.get("SEAWALL_DATABASE", ""))
    parser.add_argument("--parent-fd", type=int, default=None)
    found = parser.parse_args(argv)
    return Options(
        data_dir=Path(found.data_dir).absolute(),
        config=Path(found.config).absolute() if found.config else None,
        parent_fd=found.parent_fd,
        database=found.database,
        ways=Ways(found.api, found.listen_nodes, found.advertise, found.mirror_dir),
    )


if __name__ == "__main__":
    sys.exit(main())
