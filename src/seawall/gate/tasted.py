"""What the taster remembers between releases: how the last one answered, and the sample it met.

The release that was tasted last is most often the current one of the next. When it met the same
requests, it need not be started again. Only a convenience: what cannot be read or does not fit is
forgotten, and everything is asked anew.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from seawall import limits
from seawall.gate.ask import Answer, Failure
from seawall.gate.probes import Probe, Source
from seawall.ids import Digest

_FILE: Final = "tasted.json"
_RELEASES_MAX: Final = 2


@dataclass(frozen=True)
class Tasted:
    """How one snapshot answered: by `key_of` the request."""

    answers: Mapping[str, Answer]
    memory_bytes: int


@dataclass(frozen=True)
class Memory:
    """All that is remembered.

    Attributes:
        envoy: of which binary this is true.
        releases: by digest of the snapshot, newest last.
        samples: the recent requests that were chosen last.
        chosen_s: when, in Unix seconds.
        turn: how many releases were added; another part of what did not change is asked each time.
    """

    envoy: str = ""
    releases: Mapping[Digest, Tasted] | None = None
    samples: tuple[Probe, ...] = ()
    chosen_s: float = 0.0
    turn: int = 0

    def of(self, digest: Digest) -> Tasted | None:
        """What is known of one snapshot."""
        return (self.releases or {}).get(digest)

    def added(self, digest: Digest, answers: Mapping[str, Answer], memory: int) -> "Memory":
        """The same with one more snapshot, and the oldest forgotten."""
        known = {key: value for key, value in (self.releases or {}).items() if key != digest}
        known[digest] = Tasted(answers, memory)
        releases = dict(list(known.items())[-_RELEASES_MAX:])
        return replace(self, releases=releases, turn=self.turn + 1)


def key_of(probe: Probe) -> str:
    """Names a request by everything that is sent and expected."""
    return hashlib.sha256(repr(probe).encode()).hexdigest()[:24]


def told(probes: Sequence[Probe], answers: Sequence[Answer]) -> dict[str, Answer]:
    """Answers by what was asked."""
    return {key_of(probe): answer for probe, answer in zip(probes, answers, strict=False)}


def load(directory: Path, envoy: str) -> Memory:
    """What was remembered for this Envoy; nothing when it cannot be read."""
    try:
        with (directory / _FILE).open("rb") as file:
            text = file.read(limits.TASTER_CACHE_SIZE_BYTES_MAX + 1)
        found = json.loads(text)
        if found["envoy"] != envoy or len(text) > limits.TASTER_CACHE_SIZE_BYTES_MAX:
            return Memory(envoy)
        return Memory(
            envoy=envoy,
            releases={Digest(k): _tasted(v) for k, v in found["releases"].items()},
            samples=tuple(_probe(each) for each in found["samples"]),
            chosen_s=float(found["chosen_s"]),
            turn=int(found.get("turn", 0)),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Memory(envoy)


def save(directory: Path, memory: Memory) -> None:
    """Remember for the next process; a full disk only costs time."""
    text = json.dumps(
        {
            "envoy": memory.envoy,
            "releases": {key: asdict(value) for key, value in (memory.releases or {}).items()},
            "samples": [asdict(probe) for probe in memory.samples],
            "chosen_s": memory.chosen_s,
            "turn": memory.turn,
        }
    ).encode()
    if len(text) > limits.TASTER_CACHE_SIZE_BYTES_MAX:
        return
    partial = directory / f"{_FILE}.new"
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
        partial.replace(directory / _FILE)
    except OSError:
        partial.unlink(missing_ok=True)


def _tasted(found: Any) -> Tasted:
    return Tasted(
        {str(key): _answer(value) for key, value in found["answers"].items()},
        int(found["memory_bytes"]),
    )


def _answer(found: Any) -> Answer:
    pairs = tuple((str(name), str(value)) for name, value in found["headers"])
    return Answer(**{**found, "failure": Failure(found["failure"]), "headers": pairs})


def _probe(found: Any) -> Probe:
    pairs = tuple((str(name), str(value)) for name, value in found["headers"])
    status = tuple(int(status) for status in found["status"])
    return Probe(**{**found, "source": Source(found["source"]), "headers": pairs, "status": status})
