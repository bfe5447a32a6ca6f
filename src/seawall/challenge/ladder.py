"""The ladder: which proof is asked of a visitor next, and which level it earns. Pure.

    level 1   invisible: a script ran, a cookie came back and a style sheet was read; or, without
              scripts, a cookie came back after a short wait
    level 2   paid: proof of work in a browser that says it is automated; or, without scripts,
              a longer wait
    level 3   proof of work in a browser that shows no sign of automation

An operator who asks for level 3 of somebody shuts out browsers without scripts; those get the
reference and the contact. Browser probes are a signal for the score and never a verdict, with one
exception: a browser that says `navigator.webdriver` of itself is believed.
"""

from enum import StrEnum
from typing import Final

from seawall.bots.probes import Probe
from seawall.limits import (
    CHALLENGE_FALLBACK_LONG_S,
    CHALLENGE_FALLBACK_S,
    CHALLENGE_LOOP_PASSES,
    CHALLENGE_LOOP_S,
    CHALLENGE_WAIT_LONG_S,
    CHALLENGE_WAIT_S,
    CLEARANCE_LEVEL_MAX,
)

WORKED: Final = 2
ORDINARY: Final = 3


class Rung(StrEnum):
    """One way to pass, from the lightest to the last."""

    INVISIBLE = "invisible"
    REFRESH = "refresh"
    PROOF = "proof"
    HUMAN = "human"


def wanted_level(text: str) -> int:
    """The level that Envoy asks for; what cannot be read asks for the least."""
    return int(text) if text in {"1", "2", "3"} else 1


def next_rung(wanted: int, *, styled: bool, ran: bool, probes: int | None) -> Rung:
    """What a script that answered without work gets: it has passed, or must work.

    Args:
        wanted: the level to reach.
        styled: it read the proof out of the style sheet.
        ran: its sum is right.
        probes: what it found in its browser; None when it sent nothing readable.
    """
    if styled and ran and level_of(Rung.INVISIBLE, probes) >= wanted:
        return Rung.INVISIBLE
    return Rung.PROOF


def level_of(rung: Rung, probes: int | None, waited_s: float = 0.0) -> int:
    """The level that a passed rung is worth; 0 when it is worth nothing."""
    automated = probes is None or bool(probes & Probe.WEBDRIVER)
    match rung:
        case Rung.INVISIBLE:
            return 0 if automated else 1
        case Rung.REFRESH:
            if waited_s >= CHALLENGE_WAIT_LONG_S:
                return 2
            return 1 if waited_s >= CHALLENGE_WAIT_S else 0
        case Rung.PROOF:
            return WORKED if automated else ORDINARY
        case Rung.HUMAN:
            return 0


def wait_s(wanted: int) -> int | None:
    """Seconds to wait without scripts; None when there is no such way to the level."""
    if wanted >= CLEARANCE_LEVEL_MAX:
        return None
    return CHALLENGE_WAIT_S if wanted <= 1 else CHALLENGE_WAIT_LONG_S


def fallback_s(wanted: int) -> int | None:
    """Seconds after which a page goes on without scripts although they may be on."""
    if wanted >= CLEARANCE_LEVEL_MAX:
        return None
    return CHALLENGE_FALLBACK_S if wanted <= 1 else CHALLENGE_FALLBACK_LONG_S


def is_recent(last_pass_s: float, now_s: float) -> bool:
    """Whether a pass counts for a loop; one in the future is from before the clock was set back."""
    return 0 <= now_s - last_pass_s < CHALLENGE_LOOP_S


def is_loop(passes: int, last_pass_s: float, now_s: float) -> bool:
    """Whether this visitor passes again and again: another round would not help."""
    return passes >= CHALLENGE_LOOP_PASSES and is_recent(last_pass_s, now_s)
