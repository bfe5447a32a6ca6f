"""What a node must remember over its own death, in one small checked file.

`state.json` names what serves, what is being tried, what is last known good, and the assignment
the node has accepted last; the releases themselves are in `bundles/`. The file before
the last change is kept as `state.previous.json`: a damaged newest one costs one change, not the
memory. Nothing here is a clock: a clock set back changes nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from seawall.ids import Digest, Generation, ReleaseId
from seawall.limits import ENVOY_MESSAGE_LENGTH_CHARS_MAX, NODE_STATE_SIZE_BYTES_MAX
from seawall.node.files import Writer, read_bounded, write_atomic
from seawall.rollout.ports import Assignment, Trial

SCHEMA: Final = 2
"""A later version reads every earlier one; an unknown later one is treated as damaged."""
_SCHEMAS: Final = (1, SCHEMA)
"""The first one had no assignment and no trial: everything up to its generation was finished."""
_FILES: Final = ("state.json", "state.previous.json")

_NONE_YET: Final = Generation(0)


@dataclass(frozen=True, slots=True)
class Served:
    """A release on this node, with the generation that brought it."""

    release: ReleaseId
    digest: Digest
    generation: Generation


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """A trial that this node withdrew by itself, and so does not begin again by itself.

    Attributes:
        generation: of the step it failed in.
        blames_content: the release is at fault, not this machine.
    """

    digest: Digest
    generation: Generation
    message: str
    blames_content: bool


@dataclass(frozen=True, slots=True)
class NodeState:
    """The memory of a node.

    Attributes:
        generation: highest assignment that was accepted.
        serving: what Envoy shall be given at its next start.
        attempting: what was being committed when this was written; None in quiet times.
        good: last known good, newest first, no digest twice.
        message: why the stable slot does not serve what `generation` says; empty when it does, or
            shall still be made to.
        bake_s: how long `serving` must run well; counted anew after a restart of the agent.
        assignment: the accepted one.
        failed: the last trial that failed here.
        attempts: commits and starts of candidates that were begun for `generation`.
    """

    generation: Generation = _NONE_YET
    serving: Served | None = None
    attempting: Served | None = None
    good: tuple[Served, ...] = ()
    message: str = ""
    bake_s: float = 0.0
    assignment: Assignment | None = None
    failed: FailedTrial | None = None
    attempts: int = 0

    def promoted(self, served: Served, keep: int) -> tuple[Served, ...]:
        """`good` with `served` in front and at most `keep` entries."""
        return (served, *(old for old in self.good if old.digest != served.digest))[:keep]

    def older_good(self, than: Served) -> tuple[Served, ...]:
        """Last known good releases to step back to from `than`, newest first."""
        digests = [served.digest for served in self.good]
        if than.digest not in digests:
            return self.good
        return self.good[digests.index(than.digest) + 1 :]

    def needed(self) -> frozenset[Digest]:
        """The releases that must stay on disk."""
        kept = [served.digest for served in (self.serving, self.attempting, *self.good) if served]
        if self.assignment is not None:
            kept.append(self.assignment.digest)
            kept += [self.assignment.trial.digest] if self.assignment.trial else []
        return frozenset(kept)


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
    body = json.dumps(asdict(_bounded(state)), sort_keys=True, separators=(",", ":"))
    checksum = hashlib.sha256(body.encode()).hexdigest()
    return json.dumps({"schema": SCHEMA, "sha256": checksum, "state": body}, indent=1).encode()


def _bounded(state: NodeState) -> NodeState:
    """With a bounded length of what an origin or Envoy said: else it could not be read back."""
    most, failed = ENVOY_MESSAGE_LENGTH_CHARS_MAX, state.failed
    if failed is not None:
        failed = replace(failed, message=failed.message[:most])
    return replace(state, message=state.message[:most], failed=failed)


def _decode(content: bytes) -> NodeState:
    outer = json.loads(content)
    if outer["schema"] not in _SCHEMAS:
        raise ValueError(f"unknown schema {outer['schema']}")
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
        assignment=_assignment(fields.get("assignment")),
        failed=_failed(fields.get("failed")),
        attempts=int(fields.get("attempts", 0)),
    )


def _assignment(fields: Mapping[str, Any] | None) -> Assignment | None:
    if fields is None:
        return None
    trial = fields["trial"]
    return Assignment(
        generation=Generation(int(fields["generation"])),
        release=ReleaseId(str(fields["release"])),
        digest=Digest(str(fields["digest"])),
        bake_s=float(fields["bake_s"]),
        trial=None
        if trial is None
        else Trial(
            release=ReleaseId(str(trial["release"])),
            digest=Digest(str(trial["digest"])),
            share_permille=int(trial["share_permille"]),
            baseline=bool(trial["baseline"]),
            taste_deadline_s=float(trial["taste_deadline_s"]),
        ),
    )


def _failed(fields: Mapping[str, Any] | None) -> FailedTrial | None:
    if fields is None:
        return None
    return FailedTrial(
        digest=Digest(str(fields["digest"])),
        generation=Generation(int(fields["generation"])),
        message=str(fields["message"]),
        blames_content=bool(fields["blames_content"]),
    )


def _served(fields: Mapping[str, Any] | None) -> Served | None:
    if fields is None:
        return None
    return Served(
        release=ReleaseId(str(fields["release"])),
        digest=Digest(str(fields["digest"])),
        generation=Generation(int(fields["generation"])),
    )
