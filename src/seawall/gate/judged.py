"""What a whole tasting says: how its Envoys ended, what they used, what they answered. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from seawall import limits
from seawall.compiler.domains import without_site_over_tls
from seawall.compiler.snapshot import Snapshot
from seawall.gate.ask import Answer, Failure
from seawall.gate.compare import Changed, Comparison, Finding, compare
from seawall.gate.narrow import comparable
from seawall.gate.plate import Tasting
from seawall.gate.probes import Probe
from seawall.gate.sacrifice import MACHINE, End
from seawall.gate.tasted_words import mib

CANNOT_RUN: Final = "taster-cannot-run"
FORCE: Final = "To go on without the taster: `--force taster`, which is recorded."
_CPU_RETRIES_MAX: Final = 8
"""Requests whose processor time is measured again before it refuses a release."""
_WORDS_SHOWN_CHARS_MAX: Final = 300
_UNANSWERED: Final = (Failure.CLOSED, Failure.NO_TLS, Failure.TIMED_OUT)
_PROOFS: Final = frozenset({End.CRASHED, End.OUT_OF_MEMORY})
"""Ends that come again on any machine; processor time depends on what else runs."""


def judge(
    probes: Sequence[Probe],
    new: Tasting,
    old: Tasting | None,
    change: Changed,
    release: Snapshot | None = None,
    *,
    part: bool = False,
) -> Comparison:
    """What refuses the release, and what merely differs.

    Args:
        probes: what was asked.
        new: what came of the release.
        old: what came of the current one; None before the first.
        change: what was changed on purpose.
        release: what was asked; without it no refused TLS handshake is meant.
        part: only a part was asked, as one site changed: scores cannot be compared.
    """
    before: list[Answer | None] = []
    if old is not None:
        known = (comparable(a, change) if part else a for a in old.answers)
        before = [a if a.failure is not Failure.NOT_ASKED else None for a in known]
    if release is not None:
        change = replace(change, without_tls=_without_tls(probes, new, release))
    found = compare(probes, new.answers, before, change)
    whole = [each for each in (_ended(probes, new, old), _memory(new, old)) if each is not None]
    return replace(found, refusals=(*whole, *found.refusals))


def _without_tls(probes: Sequence[Probe], new: Tasting, release: Snapshot) -> frozenset[str]:
    """Hosts that were refused in the handshake, and that no site of the release has over TLS."""
    answered = zip(probes, new.answers, strict=False)
    refused = {probe.host for probe, answer in answered if answer.failure is Failure.NO_TLS}
    return without_site_over_tls(release, refused) if refused else frozenset()


def costly(probes: Sequence[Probe], new: Tasting, old: Tasting, change: Changed) -> tuple[int, ...]:
    """Requests that took too much processor time once, which a busy machine shows as well."""
    refusals = judge(probes, new, old, change).refusals
    suspects = {finding.probe for finding in refusals if finding.code == "taster-cpu"}
    return tuple(sorted(suspects)[:_CPU_RETRIES_MAX])


def to_tell(findings: Sequence[Finding]) -> Finding | None:
    """The one to tell: what blames the content, unless the machine ended the tasting."""
    if not findings or findings[0].code == CANNOT_RUN:
        return findings[0] if findings else None
    return next((finding for finding in findings if finding.blames_content), findings[0])


def _ended(probes: Sequence[Probe], new: Tasting, old: Tasting | None) -> Finding | None:
    """Why it is not running at the end, or never answered."""
    too = old is not None and old.end is new.end and (old.start_s is None) is (new.start_s is None)
    beside = " The current release does the same." if too else ""
    if new.end is End.RUNNING:
        if new.start_s is not None:
            return None
        text = (
            f"The release did not start to serve within {limits.TASTER_START_TIMEOUT_S:g} "
            f"s.{beside}"
        )
        remedy = f"Check what you changed for the whole edge. {FORCE}"
        return Finding("taster-not-serving", text, remedy, blames_content=False)
    where = _where(probes, new)
    words = f" {new.words[:_WORDS_SHOWN_CHARS_MAX]}" if new.words else ""
    if new.end in MACHINE:
        text = f"The sacrificial Envoy {new.end.value}{where}.{words}"
        remedy = f"The machine may be out of memory, or Envoy may be missing. {FORCE}"
        return Finding(CANNOT_RUN, text, remedy, blames_content=False)
    how = f"crashed with {new.signal}" if new.end is End.CRASHED else new.end.value
    text = f"Envoy with this release {how}{where}.{beside}{words}"
    remedy = "This would have been an outage. Check what you changed, and report the crash."
    code = f"taster-{new.end.name.lower().replace('_', '-')}"
    blames = not too and new.end in _PROOFS
    return Finding(code, text, remedy, blames_content=blames)


def _where(probes: Sequence[Probe], new: Tasting) -> str:
    """At which request it ended: the first that was not answered."""
    if not new.answers:
        return " while starting"
    lost = (i for i, a in enumerate(new.answers) if a.failure in _UNANSWERED)
    return f" at {probes[next(lost, len(new.answers) - 1)].name}"


def _stayed(tasting: Tasting) -> bool:
    """Whether its memory is that of an Envoy which had loaded everything."""
    return tasting.end is End.RUNNING and tasting.start_s is not None


def _memory(new: Tasting, old: Tasting | None) -> Finding | None:
    if old is None or not old.memory_bytes or not (_stayed(new) and _stayed(old)):
        return None
    most = max(
        int(limits.TASTER_MEMORY_GROWTH_MAX * old.memory_bytes),
        old.memory_bytes + limits.TASTER_MEMORY_GROWTH_BYTES,
    )
    if new.memory_bytes <= most:
        return None
    text = (
        f"The release uses {mib(new.memory_bytes)} of memory, over the limit of {mib(most)}: "
        f"{limits.TASTER_MEMORY_GROWTH_MAX:g} times the {mib(old.memory_bytes)} of the current "
        f"release, or {mib(limits.TASTER_MEMORY_GROWTH_BYTES)} more."
    )
    remedy = "Look for what grows: a list, a filter, a table."
    return Finding("taster-memory", text, remedy)
