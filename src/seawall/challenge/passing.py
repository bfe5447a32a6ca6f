"""Decides on what comes back: a script's answer, or a browser that waited."""

import json
from dataclasses import dataclass
from typing import Any

from seawall.challenge.binding import b64
from seawall.challenge.desk import Counter
from seawall.challenge.forms import Kept, NotKept, is_form, is_same_origin, keep
from seawall.challenge.ladder import Rung, level_of, next_rung, wait_s
from seawall.challenge.opening import notice, way_without_scripts
from seawall.challenge.page import Kind
from seawall.challenge.probes import read as read_probes
from seawall.challenge.puzzle import PREFIX_SIZE_BYTES, is_solution, write_puzzle
from seawall.challenge.reply import Event, Reply, moved, problem, told
from seawall.challenge.signed import Challenge, is_style_proof, reference_of
from seawall.challenge.spent import Spending
from seawall.limits import (
    CHALLENGE_BUSY_RETRY_S,
    CHALLENGE_LIFETIME_NO_SCRIPT_S,
    CHALLENGE_LIFETIME_S,
    CHALLENGE_PUZZLE_MEMORY_KIB,
    CHALLENGE_PUZZLE_PASSES,
    CHALLENGE_PUZZLE_TRIES_MAX,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a page's script sends.

    Attributes:
        challenge: the text from the page.
        style: what the style sheet said.
        echo: a sum over the challenge that a script can make.
        probes: bits of `bots.probes.Probe`; None when they are not readable.
        puzzle: the puzzle that was solved; empty before there is one.
        key: its solution.
    """

    challenge: str
    style: str
    echo: int
    probes: int | None
    puzzle: str = ""
    key: str = ""


def read_answer(body: bytes) -> Answer | None:
    """The answer; None when the body is not one."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    texts: list[Any] = [found.get("c"), found.get("s"), found.get("p", ""), found.get("k", "")]
    echo = found.get("e")
    if not all(isinstance(text, str) for text in texts) or type(echo) is not int:
        return None
    challenge, style, puzzle, key = texts
    return Answer(challenge, style, echo, read_probes(found.get("v")), puzzle, key)


def solve(counter: Counter, body: bytes) -> Reply:
    """Decide on what a script sent."""
    answer = read_answer(body)
    if answer is None:
        return problem(400, "challenge-answer", "The body is not an answer to a challenge.")
    return _decide(counter, answer)


def _decide(counter: Counter, answer: Answer) -> Reply:
    challenge = counter.challenge(answer.challenge, CHALLENGE_LIFETIME_S)
    if challenge is None:
        counter.report(Event.FAILED, None, "stale", 0, answer.probes)
        return told("again")
    if counter.cleared_level() >= challenge.wanted:
        return _go(challenge, ())  # another tab was faster
    if counter.echo() is None:
        return _failed(counter, challenge, "cookies", answer.probes)
    if answer.puzzle:
        return _worked(counter, challenge, answer)
    rung = next_rung(
        challenge.wanted,
        styled=is_style_proof(answer.style, challenge.nonce, counter.policy.keys),
        ran=answer.echo == fnv1a(answer.challenge),
        probes=answer.probes,
    )
    if rung is Rung.INVISIBLE:
        return _granted(counter, challenge, rung, answer.probes)
    return _work(counter, challenge, answer.challenge)


def _work(counter: Counter, challenge: Challenge, text: str) -> Reply:
    allowance, prefix = counter.tools.allowance, counter.client.bound.prefix
    if not allowance.may_take(prefix):
        # Who has no other way waits for as long as it takes; others go it after some rounds.
        only = wait_s(challenge.wanted) is None
        seconds = allowance.left_s() if only else CHALLENGE_BUSY_RETRY_S
        return told("wait", status=503, seconds=seconds)
    kernel = counter.tools.kernels.take()
    if kernel is None:
        allowance.give_back(prefix)
        return told("wait", status=503, seconds=CHALLENGE_BUSY_RETRY_S)
    puzzle = write_puzzle(
        kernel, text, counter.policy.keys, counter.client.bound, now_s=counter.now_s
    )
    return told(
        "work",
        status=200,
        puzzle={
            "text": puzzle,
            "salt": b64(kernel.salt),
            "prefix": b64(kernel.key.reveal()[:PREFIX_SIZE_BYTES]),
            "memory": CHALLENGE_PUZZLE_MEMORY_KIB,
            "passes": CHALLENGE_PUZZLE_PASSES,
            "tries": CHALLENGE_PUZZLE_TRIES_MAX,
        },
    )


def _worked(counter: Counter, challenge: Challenge, answer: Answer) -> Reply:
    solved = is_solution(
        answer.puzzle,
        answer.key,
        answer.challenge,
        counter.policy.keys,
        counter.client.bound,
        now_s=counter.now_s,
    )
    if not solved:
        return _failed(counter, challenge, "again", answer.probes)
    return _granted(counter, challenge, Rung.PROOF, answer.probes)


def _granted(counter: Counter, challenge: Challenge, rung: Rung, probes: int | None) -> Reply:
    level = level_of(rung, probes)
    if level < challenge.wanted:
        return _failed(counter, challenge, "human", probes)
    cookies = counter.grant(challenge, rung, level, probes)
    match cookies:
        case Spending.FULL:
            return told("wait", status=503, seconds=CHALLENGE_BUSY_RETRY_S)
        case Spending():
            return _failed(counter, challenge, "again", probes)
        case _:
            return _go(challenge, cookies)


def _go(challenge: Challenge, cookies: tuple[str, ...]) -> Reply:
    return told("go", status=200, cookies=cookies, to=reference_of(challenge.path))


def _failed(counter: Counter, challenge: Challenge, why: str, probes: int | None) -> Reply:
    counter.report(Event.FAILED, challenge, why, challenge.wanted, probes)
    return told(why)


@dataclass(frozen=True, slots=True)
class Return:
    """A browser that comes back without a script's help.

    Attributes:
        text: the challenge.
        body: the form it sends along; None when it was too large.
    """

    text: str
    method: str
    content_type: str = ""
    origin: str = ""
    fetch_site: str = ""
    body: bytes | None = b""
    request_id: str = ""


def refresh(counter: Counter, back: Return) -> Reply:
    """Decide on a browser that waited: on to the page, or a page that says what is missing."""
    challenge = counter.challenge(back.text, CHALLENGE_LIFETIME_NO_SCRIPT_S)
    if challenge is None:
        counter.report(Event.FAILED, None, "stale", 0)
        known = counter.authentic(back.text)
        lost = back.method == "POST" or (known is not None and known.lost)
        return notice(counter, known, Kind.EXPIRED, lost=lost, request_id=back.request_id)
    form = _form_of(counter, challenge, back)
    lost = challenge.lost or isinstance(form, NotKept)
    if counter.cleared_level() >= challenge.wanted:
        return _onward(counter, challenge, form, ())
    kind = _missing(counter, challenge)
    if kind is Kind.EARLY:
        left_s = max(1, round((wait_s(challenge.wanted) or 0) - challenge.age_s(counter.now_s)))
        return notice(
            counter,
            challenge,
            kind,
            lost=lost,
            refresh=way_without_scripts(challenge, back.text),
            wait_s=left_s,
            kept=form if isinstance(form, Kept) else None,
        )
    if kind is not None:
        counter.report(Event.FAILED, challenge, kind.value, challenge.wanted)
        return notice(counter, challenge, kind, lost=lost or form is not None)
    level = level_of(Rung.REFRESH, None, challenge.age_s(counter.now_s))
    cookies = counter.grant(challenge, Rung.REFRESH, level, None)
    if isinstance(cookies, Spending):
        counter.report(Event.FAILED, challenge, cookies.value, challenge.wanted)
        return notice(counter, challenge, Kind.EXPIRED, lost=lost or form is not None)
    return _onward(counter, challenge, form, cookies)


def _onward(
    counter: Counter,
    challenge: Challenge,
    form: Kept | NotKept | None,
    cookies: tuple[str, ...],
) -> Reply:
    """To the page asked for; where what was sent is lost, a page that says so and stays."""
    if challenge.lost or isinstance(form, NotKept):
        return notice(counter, challenge, Kind.PASSED, lost=True, cookies=cookies)
    # 307 makes the browser send the same body again, to the page that it was for.
    status = 307 if isinstance(form, Kept) else 303
    return moved(status, reference_of(challenge.path), cookies)


def _missing(counter: Counter, challenge: Challenge) -> Kind | None:
    """What keeps a browser without scripts from passing."""
    least_s = wait_s(challenge.wanted)
    if least_s is None:
        return Kind.HUMAN
    if counter.echo() is None:
        return Kind.COOKIES
    return Kind.EARLY if challenge.age_s(counter.now_s) < least_s else None


def _form_of(counter: Counter, challenge: Challenge, back: Return) -> Kept | NotKept | None:
    """The form that this request carries for the page asked for."""
    if back.method != "POST":
        return None
    own = is_same_origin(back.origin, back.fetch_site, counter.client.host, counter.client.scheme)
    if not challenge.resend or back.body is None or not is_form(back.content_type):
        return NotKept(own)
    return keep("POST", back.content_type, back.body, same_origin=own)


def fnv1a(text: str) -> int:
    """FNV-1a of 32 bits, as `static/script.js` makes it."""
    value = 0x811C9DC5
    for char in text:
        value = ((value ^ ord(char)) * 0x01000193) & 0xFFFFFFFF
    return value
