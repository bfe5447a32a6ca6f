"""Golden requests: the same question to candidate and stable, and whether the answers differ.

What is written in the release (`status`, `contains`) must hold for the candidate. Where no status
is written, the candidate must answer as stable does: status, place of a redirect, media type. What
is wrong in the same way on both is the world's fault (an origin that is down), not the release's:
it does not count, else one site's origin would stop every other site's release. Of what nobody
wrote (see `questions`), only a candidate that fails (5xx, or no answer) where stable does not is
held against it: nobody has said what the answer should be. So is a page that stable shows at the
start of a site, and that is gone (404, 410) where the release leads. On the way of a changed route,
not even an origin's own 5xx is: it may not like to be asked so. That the edge cannot reach it, is.

A difference counts once it has shown itself several times in a row.
"""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from seawall.limits import (
    GOLDEN_ATTEMPTS_MAX,
    GOLDEN_CONCURRENCY_MAX,
    GOLDEN_LATE_ATTEMPTS_MAX,
    GOLDEN_TIMEOUT_S,
    STORY_VALUE_LENGTH_CHARS_MAX,
)
from seawall.model.rollout import Golden
from seawall.node.asking import Answer, Silence, ask
from seawall.node.questions import Question
from seawall.node.taste import PROXY_STATUS, socket_name
from seawall.rollout.ports import Probes

_FAILED_FROM: Final = 500
_REFUSED_FROM: Final = 400
_GONE: Final = frozenset({404, 410})
_PAGE: Final = 200
_ERROR: Final = re.compile(r"\berror=([a-z_]+)")
_REASON: Final = re.compile(r"\bdetails=\"[a-z_]+\{([^}\"]+)")
_REFUSED: Final = "Connection_refused"
_COMPARED_HEADERS: Final = ("location", "content-type")


def difference(question: Question, candidate: Answer | Silence, stable: Answer | Silence) -> str:
    """What is wrong with the candidate's answer, in words; empty when nothing is."""
    golden = question.golden
    if question.implicit:
        return _of_implicit(question, candidate, stable)
    if isinstance(candidate, Silence):
        same = isinstance(stable, Silence)
        return "" if same else f"{question}: {_said(candidate)}, stable: {_said(stable)}"
    faults = _faults(golden, candidate)
    if faults:
        on_both = isinstance(stable, Answer) and stable.status == candidate.status
        if on_both and isinstance(stable, Answer) and _faults(golden, stable) == faults:
            return ""
        return f"{question}: {candidate.status}, {faults}; stable: {_said(stable)}"
    if golden.status or isinstance(stable, Silence) or _failed(stable):
        return ""
    return _unlike(question, candidate, stable)


class Prober:
    """Asks the questions of one trial again and again, each of candidate and stable.

    Args:
        asked: the questions; may be empty, which proves nothing and hinders nothing.
        candidate: slot directory, where the private sockets are.
        stable: likewise.
        timeout_s: for each answer.
    """

    def __init__(
        self,
        asked: Sequence[Question],
        candidate: Path,
        stable: Path,
        *,
        timeout_s: float = GOLDEN_TIMEOUT_S,
    ) -> None:
        self._questions = tuple(asked)
        self._timeout_s = timeout_s
        self._candidate, self._stable = candidate, stable
        self._in_flight = asyncio.Semaphore(GOLDEN_CONCURRENCY_MAX)
        self._next = 0
        self.probes = Probes()

    @property
    def complete(self) -> bool:
        """Whether each question has been asked at least once in this step."""
        return self.probes.asked >= len(self._questions)

    def step(self) -> None:
        """Another step begins: count from zero."""
        self.probes = Probes()

    def opened(self) -> None:
        """Clients meet the candidate: what is asked before they do is not asked again."""
        self._questions = tuple(one for one in self._questions if not one.route)

    async def warm(self, *slots: Path) -> None:
        """Ask without looking at the answers: pools, caches and TLS warm up."""
        again = [question for question in self._questions if not question.route]
        work = [self._ask(slot, question) for slot in slots for question in again]
        await asyncio.gather(*work)

    async def round(self, count_max: int) -> Probes:
        """Ask the next questions, in turn; everything of this step so far.

        The round that makes a step complete asks what is missing, and nothing twice.
        """
        missing = len(self._questions) - self.probes.asked
        count = min(count_max, missing if missing > 0 else len(self._questions))
        places = range(self._next, self._next + count)
        self._next += count
        turn = [self._questions[place % len(self._questions)] for place in places]
        words = await asyncio.gather(*(self._compare(question) for question in turn))
        found = [difference for difference in words if difference]
        self.probes = Probes(
            asked=self.probes.asked + count,
            differed=self.probes.differed + len(found),
            first=self.probes.first or (found[0] if found else ""),
        )
        return self.probes

    async def _compare(self, question: Question) -> str:
        words, late = "", 0
        for _ in range(GOLDEN_ATTEMPTS_MAX):
            candidate, stable = await asyncio.gather(
                self._ask(self._candidate, question), self._ask(self._stable, question)
            )
            words = difference(question, candidate, stable)
            late += isinstance(candidate, Silence) and candidate.late
            if not words or late == GOLDEN_LATE_ATTEMPTS_MAX:
                break
        return words

    async def _ask(self, slot: Path, question: Question) -> Answer | Silence:
        golden = question.golden
        async with self._in_flight:
            socket = slot / socket_name("https" if golden.https else "http")
            return await ask(socket, golden, timeout_s=self._timeout_s)


def _of_implicit(question: Question, candidate: Answer | Silence, stable: Answer | Silence) -> str:
    if not _takes_away(question, candidate, stable):
        return ""
    meant = "; if this is intended, write it under `golden`" if _is_gone(candidate) else ""
    return f"{question}: {_said(candidate)}, stable: {_said(stable)}{meant}"


def _takes_away(question: Question, candidate: Answer | Silence, stable: Answer | Silence) -> bool:
    """Whether the candidate fails at what nobody wrote, and stable does not."""
    if not question.route:
        gone = question.led_anew and _is_gone(candidate) and _shown(stable)
        return gone or (_failed(candidate) and not _failed(stable))
    return _cut_off(candidate) and (_served(stable) if question.added else not _cut_off(stable))


def _failed(answer: Answer | Silence) -> bool:
    return isinstance(answer, Silence) or answer.status >= _FAILED_FROM


def _cut_off(answer: Answer | Silence) -> bool:
    """Whether the edge itself failed, since no answer came from behind it."""
    return isinstance(answer, Silence) or (_failed(answer) and bool(_why(answer)))


def _is_gone(answer: Answer | Silence) -> bool:
    return isinstance(answer, Answer) and answer.status in _GONE


def _shown(answer: Answer | Silence) -> bool:
    return isinstance(answer, Answer) and answer.status == _PAGE


def _served(answer: Answer | Silence) -> bool:
    return isinstance(answer, Answer) and answer.status < _REFUSED_FROM


def _why(answer: Answer) -> str:
    """What the edge says of an answer that it had to make itself; see `PROXY_STATUS`.

    Envoy calls every connection that it could not use refused. What really was stands behind it.
    """
    told = answer.headers.get(PROXY_STATUS, "")
    error, reason = _ERROR.search(told), _REASON.search(told)
    if error is None or reason is None or _REFUSED in reason[1]:
        return error[1] if error else ""
    return reason[1].replace("_", " ")[:STORY_VALUE_LENGTH_CHARS_MAX]


def _said(answer: Answer | Silence) -> str:
    if isinstance(answer, Silence):
        return answer.why
    why = _why(answer)
    return f"{answer.status} ({why})" if why else str(answer.status)


def _faults(golden: Golden, answer: Answer) -> str:
    """What of `answer` is not as written; empty when it is, or nothing is written."""
    if golden.status and answer.status not in golden.status:
        return f"not {' or '.join(map(str, golden.status))} as written"
    if golden.contains and golden.contains.encode() not in answer.body:
        return f"without {golden.contains!r} as written"
    return ""


def _unlike(question: Question, candidate: Answer, stable: Answer) -> str:
    if candidate.status != stable.status:
        return f"{question}: {candidate.status}, stable: {stable.status}"
    for name in _COMPARED_HEADERS:
        ours, theirs = (_plain(name, answer) for answer in (candidate, stable))
        if ours != theirs:
            said = (one[:STORY_VALUE_LENGTH_CHARS_MAX] or "missing" for one in (ours, theirs))
            return f"{question}: {name} is {', on stable: '.join(said)}"
    return ""


def _plain(name: str, answer: Answer) -> str:
    value = answer.headers.get(name, "")
    return value.partition(";")[0].strip().lower() if name == "content-type" else value
