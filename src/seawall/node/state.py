"""What a node must remember over its own death, in one small checked file.

`state.json` names what serves, what is being tried, what is last known good, and the highest
generation the node has finished with; the releases themselves are in `bundles/`. The file before
the last change is kept as `state.previous.json`: a damaged newest one costs one change, not the
memory. Nothing here is a clock: a clock set back changes nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from seawall.ids import Digest, Generation, ReleaseId
from seawall.limits import NODE_STATE_SIZE_BYTES_MAX
from seawall.node.files import Writer, read_bounded, write_atomic

SCHEMA: Final = 1
"""A later version reads every earlier one; an unknown later one is treated as damaged."""
_FILES: Final = ("state.json", "state.previous.json")

_NONE_YET: Final = Generation(0)


@dataclass(frozen=True, slots=True)
class Served:
    """A release on this node, with the generation that brought it."""

    release: ReleaseId
    digest: Digest
    generation: Generation


@dataclass(frozen=True, slots=True)
class NodeState:
    """The memory of a node.

    Attributes:
        generation: highest assignment that was finished: committed or rejected.
        serving: what Envoy shall be given at its next start.
        attempting: what was being committed when this was written; None in quiet times.
        good: last known good, newest first, no digest twice.
        message: the outcome of `generation` in words when it did not end well.
        bake_s: how long `serving` must run well; counted anew after a restart of the agent.
    """

    generation: Generation = _NONE_YET
    serving: Served | None = None
    attempting: Served | None = None
    good: tuple[Served, ...] = ()
    message: str = ""
    bake_s: float = 0.0

    def promoted(self, served: Served, keep: int) -> tuple[Served, ...]:
        """`good` with `served` in front and at most `keep` entries."""
        return (served, *(old for old in self.good if old.digest != served.digest))[:keep]


class StateFile:
    """Reads and writes the state in `directory`.

    Args:
        write: replaces a file durably; injected by tests of full disks.
    """

    def __init__(self, directory: Path, *, write: Writer = write_atomic) -> None:
        self._paths = tuple(directory / name for name in _FILES)
        self._write = write
        self._last = b""

    def load(self) -> tuple[NodeState, tuple[str, ...]]:
        """The newest readable state, and what was wrong with newer ones, in words."""
        problems = []
        for path in self._paths:
            try:
                content = read_bounded(path, NODE_STATE_SIZE_BYTES_MAX)
            except FileNotFoundError:
                continue
            except OSError as error:
                problems.append(f"{path.name} cannot be read: {error.strerror or error}")
                continue
            try:
                state = _decode(content)
            except (ValueError, KeyError, TypeError) as error:
                problems.append(f"{path.name} is damaged and was not used: {error}")
                continue
            self._last = content
            return state, tuple(problems)
        return NodeState(), tuple(problems)

    def save(self, state: NodeState) -> None:
        """Make `state` survive a crash; a repeated one costs nothing.

        Raises:
            OSError: it could not be written; the old one is still there.
        """
        content = _encode(state)
        if content == self._last:
            return
        if self._last:
            self._write(self._paths[1], self._last)
        self._write(self._paths[0], content)
        self._last = content


def _encode(state: NodeState) -> bytes:
    body = json.dumps(asdict(state), sort_keys=True, separators=(",", ":"))
    checksum = hashlib.sha256(body.encode()).hexdigest()
    return json.dumps({"schema": SCHEMA, "sha256": checksum, "state": body}, indent=1).encode()


def _decode(content: bytes) -> NodeState:
    outer = json.loads(content)
    if outer["schema"] != SCHEMA:
        raise ValueError(f"schema {outer['schema']} is not known here")
    body = outer["state"]
    if hashlib.sha256(body.encode()).hexdigest() != outer["sha256"]:
        raise ValueError("its checksum does not match")
    fields = json.loads(body)
    return NodeState(
        generation=Generation(int(fields["generation"])),
        serving=_served(fields["serving"]),
        attempting=_served(fields["attempting"]),
        good=tuple(served for entry in fields["good"] if (served := _served(entry))),
        message=str(fields["message"]),
        bake_s=float(fields["bake_s"]),
    )


def _served(fields: Mapping[str, Any] | None) -> Served | None:
    if fields is None:
        return None
    return Served(
        release=ReleaseId(str(fields["release"])),
        digest=Digest(str(fields["digest"])),
        generation=Generation(int(fields["generation"])),
    )
