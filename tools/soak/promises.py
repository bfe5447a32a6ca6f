"""What was promised, and what counts as broken: functions over what was seen; no I/O, no clock."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

OK: Final = 200
KNOWN_EXIT_CODES: Final = frozenset({0, 1, 3})
"""Done, refused, nobody there; the 2 of a bad command line would be a mistake of the soak."""
STABLE_KILL_FORGIVEN_S: Final = 8.0
"""From the kill of the Envoy that serves until another one listens, on a busy machine."""
OTHER_KILL_FORGIVEN_S: Final = 1.5
"""Only requests that were on their way in the killed Envoy, or in its queue, are lost."""
BEFORE_KILL_FORGIVEN_S: Final = 0.3
"""A process is killed a little before it is known who it was."""
WITHDRAWN_FORGIVEN_S: Final = 1.0
"""From a withdrawal until each client has its answer."""
TRACEBACK: Final = "Traceback (most recent call last)"
_SHOWN_MAX: Final = 8
_TEXT_CHARS_MAX: Final = 1500


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when, which path, and what came: status 0 is no answer, `error` says why."""

    began_s: float
    ended_s: float
    path: str
    status: int
    mark: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Failing:
    """The answers of a release that fail, which its share of the clients gets while it is tried."""

    mark: str
    path: str
    status: int

    def gave(self, sample: Sample) -> bool:
        """Whether this answer is one of them."""
        return (sample.mark, sample.path, sample.status) == (self.mark, self.path, self.status)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    words: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    took_s: float

    @property
    def said(self) -> dict[str, object]:
        """Its last JSON object; empty without one."""
        for text in (*self.stdout.strip().splitlines()[-1:], self.stdout):
            try:
                found = json.loads(text)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
        return {}

    @property
    def reason(self) -> str:
        """The stable code of why it did not do it."""
        error = self.said.get("error")
        code = error.get("code") if isinstance(error, dict) else self.said.get("code")
        return str(code or "")


@dataclass(slots=True)
class Forgiveness:
    """Which failed requests are nobody's fault but the soak's."""

    _kills: list[tuple[float, float]] = field(default_factory=list)
    _trials: dict[Failing, list[tuple[float, float]]] = field(default_factory=dict)

    def killed(self, at_s: float, *, stable: bool) -> None:
        """An Envoy was killed on purpose."""
        after_s = STABLE_KILL_FORGIVEN_S if stable else OTHER_KILL_FORGIVEN_S
        self._kills.append((at_s - BEFORE_KILL_FORGIVEN_S, at_s + after_s))

    def offered(self, failing: Failing, at_s: float) -> None:
        """A release that fails may be tried from now on, until it is `withdrawn`."""
        spans = self._trials.setdefault(failing, [])
        if not spans or spans[-1][1] != math.inf:
            spans.append((at_s, math.inf))

    def withdrawn(self, at_s: float, mark: str = "") -> None:
        """Nothing is tried any more, or the release with this mark is not."""
        for failing, spans in self._trials.items():
            if mark in {"", failing.mark} and spans[-1][1] == math.inf:
                spans[-1] = (spans[-1][0], at_s + WITHDRAWN_FORGIVEN_S)

    def fails(self, mark: str) -> bool:
        """Whether a release with this mark was offered and fails."""
        return any(failing.mark == mark for failing in self._trials)

    def by_kill(self, began_s: float, ended_s: float) -> bool:
        """Whether an Envoy was killed in this span."""
        return any(begin <= ended_s and began_s <= end for begin, end in self._kills)

    def kills_end_s(self) -> float:
        """When the last span after a kill is over; -inf when there was none."""
        return max((end for _, end in self._kills), default=-math.inf)

    def forgives(self, sample: Sample) -> bool:
        """Whether this failure has an excuse."""
        if self.by_kill(sample.began_s, sample.ended_s):
            return True
        return any(
            failing.gave(sample)
            and any(begin <= sample.ended_s and sample.began_s <= end for begin, end in spans)
            for failing, spans in self._trials.items()
        )


@dataclass(slots=True)
class Served:
    """Requests, counted."""

    well: int = 0
    forgiven: int = 0
    failed: int = 0

    def count(self, samples: Iterable[Sample], forgiveness: Forgiveness) -> list[Sample]:
        """Add these; the ones that broke the promise."""
        bad = []
        for sample in samples:
            if sample.status == OK:
                self.well += 1
            elif forgiveness.forgives(sample):
                self.forgiven += 1
            else:
                bad.append(sample)
        self.failed += len(bad)
        return bad


def failed_requests(bad: Sequence[Sample], began_s: float) -> list[str]:
    """What is broken by these requests, in words; times count from `began_s`."""
    if not bad:
        return []
    shown = "; ".join(
        f"{one.began_s - began_s:.2f} to {one.ended_s - began_s:.2f} s {one.path}: "
        + (f"{one.status} of {one.mark or 'no release'}" if one.status else one.error)
        for one in bad[:_SHOWN_MAX]
    )
    return [f"{len(bad)} failed requests: {shown}"]


def command(answer: Answer, *, must_fail: bool = False) -> list[str]:
    """What is broken by the end of this command, in words."""
    words = " ".join(answer.words)
    text = answer.stdout + answer.stderr
    broken = []
    if TRACEBACK in text:
        broken.append(f"traceback of {words}: {text[-_TEXT_CHARS_MAX:]}")
    if answer.code not in KNOWN_EXIT_CODES:
        broken.append(f"exit code {answer.code} of {words}: {text[-_TEXT_CHARS_MAX:]}")
    if not answer.said:
        broken.append(f"no JSON of {words}: {text[-_TEXT_CHARS_MAX:]}")
    if must_fail and answer.code == 0:
        broken.append(f"{words}: what must be refused was committed: {answer.said}")
    return broken


def at_rest(current: str, wanted: str, got: Iterable[Sample], envoys: int, most: int) -> list[str]:
    """What is broken by what clients get when nothing is on its way, in words.

    Args:
        current: id of the current release.
        wanted: its mark.
        got: answers to fresh clients.
        envoys: how many run.
        most: how many may.
    """
    broken = []
    wrong = sorted(
        {one.error or f"{one.status} of {one.mark or 'no release'}" for one in got
         if one.status != OK or one.mark != wanted}
    )  # fmt: skip
    if wrong:
        broken.append(f"at rest, {current} ({wanted}) is current and clients got {wrong}")
    if envoys > most:
        broken.append(f"at rest, {envoys} Envoys run; more than {most}")
    return broken


def errors_of(text: str) -> list[str]:
    """What each traceback in a log ends with: `UnpicklingError: pickle data was truncated`."""
    text = text.replace("\\n", "\n")  # logs of JSON lines have them escaped
    found = []
    for part in text.split(TRACEBACK)[1:]:
        ends = (line for line in part.splitlines()[1:] if not line.startswith((" ", "\t")))
        found.append(next(ends, "").partition('"')[0].strip() or "without an end")
    return found
