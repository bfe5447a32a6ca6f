"""What control believes of a report: a pure check of everything a node may get wrong or lie about.

A node speaks for itself only, in bounded and finite values, with windows of its own that are new,
recent and not of the future. What cannot be believed is refused with words when the whole report
makes no sense, and left out when the rest does: a node with one bad window is still heard.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from seawall import limits
from seawall.errors import RefusedError, UsageError
from seawall.ids import NodeName
from seawall.rollout.ports import Nack, NodeReport, TrialReport
from seawall.telemetry.origin_names import NamesReport
from seawall.telemetry.window import SiteCounts, Window

SLOTS: Final = frozenset({"stable", "candidate", "baseline"})
_RELEASE: Final = re.compile(r"r[1-9][0-9]{0,17}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SITE: Final = re.compile(rf"[a-z0-9_-]{{1,{limits.NAME_LENGTH_CHARS_MAX}}}")
_LIFE: Final = re.compile(r"([0-9a-f]{16})?")
_COUNT_MAX: Final = 1e15
_HIGHEST: Final = {"generation": limits.GENERATION_MAX, "trial.share_permille": 1000}
_EDGE_VALUES_MAX: Final = 256
_BUCKETS_MAX: Final = 64
_WORD: Final = 64
"""Characters of a version, an address, or another single word."""
_TIME_S_MAX: Final = 2**40
"""Of Unix times and counts that are shown: far beyond both, and a number everywhere."""
_OVERLAP_S: Final = 0.25
"""Windows of one slot follow each other; clocks of a machine may be nudged by so much."""

Heard = Mapping[str, float]
"""Until when (node's clock) each slot's windows were taken."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What is left of a report.

    Attributes:
        heard: for the next report of this node.
        words: what was left out, and why; empty when nothing was.
    """

    report: NodeReport
    heard: Heard
    words: tuple[str, ...]


def clean(
    report: NodeReport, node: NodeName, groups: tuple[str, ...], heard: Heard, *, sent_s: float
) -> Cleaned:
    """Check a report.

    Args:
        report: as parsed.
        node: who sent it, by its certificate.
        groups: that control knows it belongs to; what it says of itself does not count.
        heard: of its report before; empty when there was none.
        sent_s: the node's own clock when it sent the report.

    Raises:
        RefusedError: it speaks for another node.
        UsageError: it makes no sense.
    """
    if report.node != node:
        raise RefusedError(
            "not-your-name",
            f"Node {node} may not report for {report.node[:80]!r}.",
            remedy="Check which certificate this node uses.",
        )
    _require_sense(report)
    kept, until, words = _windows(report, heard, sent_s)
    bots = report.bots if report.bots is not None and report.bots.possible else None
    if bots is not report.bots:
        words = (*words, "its bot counts were rejected: they are not valid")
    names = _names(report.names)
    if names is None and report.names is not None:
        words = (*words, "its report on origin names was rejected: it is not valid")
    envoy = report.envoy
    return Cleaned(
        report=replace(
            report,
            envoy=None if envoy is None else replace(envoy, version=_text(envoy.version)[:_WORD]),
            names=names,
            groups=groups,
            message=_text(report.message),
            nacks=_nacks(report.nacks),
            notices=_texts(report.notices),
            listeners=_texts(report.listeners),
            last_known_good=report.last_known_good[: limits.KNOWN_GOOD_PER_NODE_MAX],
            good_digests=report.good_digests[: limits.KNOWN_GOOD_PER_NODE_MAX],
            trial=_trial(report.trial),
            windows=kept,
            bots=bots,
        ),
        heard=until,
        words=words,
    )


def shifted(report: NodeReport, skew_s: float) -> NodeReport:
    """The report with its windows on control's clock; `skew_s` is control's minus the node's."""
    windows = (replace(window, start_s=window.start_s + skew_s) for window in report.windows)
    return replace(report, windows=tuple(windows))


def _require_sense(report: NodeReport) -> None:
    envoy, trial = report.envoy, report.trial
    numbers: dict[str, float] = {
        "generation": report.generation,
        "agent_pid": report.agent_pid,
        "level": report.level,
        "bundle_format": report.bundle_format,
    }
    releases = [report.release, *report.last_known_good]
    digests = [report.digest, *report.good_digests]
    if envoy is not None:
        numbers |= {
            "envoy.pid": envoy.pid,
            "envoy.uptime_s": envoy.uptime_s,
            "envoy.restarts": envoy.restarts,
            "envoy.memory_bytes": envoy.memory_bytes,
        }
    if trial is not None:
        releases.append(trial.release)
        digests.append(trial.digest)
        numbers |= {
            "trial.restarts": trial.restarts,
            "trial.probes.asked": trial.probes.asked,
            "trial.share_permille": trial.share_permille,
        }
    for place, number in numbers.items():
        if not 0 <= number <= _HIGHEST.get(place, _COUNT_MAX):  # false for nan too
            raise _nonsense(place, number)
    for kind, pattern, names in (
        ("release", _RELEASE, releases),
        ("digest", _DIGEST, digests),
        ("life", _LIFE, [report.life]),
    ):
        for name in names:
            if name is not None and not pattern.fullmatch(name):
                raise _nonsense(kind, name)


def _windows(
    report: NodeReport, heard: Heard, sent_s: float
) -> tuple[tuple[Window, ...], Heard, tuple[str, ...]]:
    # What lies in the node's own future was told before its clock was set back.
    latest_s = sent_s + limits.CLOCK_SKEW_S_TOLD
    until = {slot: until_s for slot, until_s in heard.items() if until_s <= latest_s}
    kept: list[Window] = []
    dropped: dict[str, int] = {}
    for window in report.windows[-limits.WINDOWS_KEPT_MAX * len(SLOTS) :]:
        why = _why_not(window, report, until.get(window.slot, -math.inf), sent_s)
        if why:
            dropped[why] = dropped.get(why, 0) + 1
            continue
        until[window.slot] = window.start_s + window.duration_s
        kept.append(window)
    words = (f"{count} windows were rejected: {why}" for why, count in sorted(dropped.items()))
    return tuple(kept), until, tuple(words)


def _why_not(window: Window, report: NodeReport, until_s: float, sent_s: float) -> str:  # noqa: PLR0911 - one return for each reason
    if window.node != report.node:
        return "they are of another node"
    if window.slot not in SLOTS or not _RELEASE.fullmatch(window.release):
        return "they are of an unknown slot or release"
    if not (0 <= window.generation <= max(report.generation, 0)):
        return "they have a generation that this node does not have"
    if not (math.isfinite(window.start_s) and 0 < window.duration_s <= limits.WINDOW_AGE_S_MAX):
        return "their time is not valid"
    end_s = window.start_s + window.duration_s
    if end_s > sent_s + limits.CLOCK_SKEW_S_TOLD:
        return "they are from the future"
    if end_s < sent_s - limits.WINDOW_AGE_S_MAX:
        return "they are too old"
    if window.start_s < until_s - _OVERLAP_S:
        return "they were reported before"
    if not _plausible(window):
        return "their counts are not valid"
    return ""


def _plausible(window: Window) -> bool:
    if len(window.sites) > limits.WINDOW_SITES_MAX or len(window.edge) > _EDGE_VALUES_MAX:
        return False
    return (
        all(_plausible_site(counts) for counts in window.sites.values())
        and all(map(_countable, window.edge.values()))  # below zero it takes away what others say
        and all(map(_SITE.fullmatch, window.sites))
        and all(len(name) <= limits.PATH_LENGTH_CHARS_MAX for name in window.edge)
        and len(window.latency_buckets) <= _BUCKETS_MAX
        and all(map(_countable, window.latency_buckets))
    )


def _plausible_site(counts: SiteCounts) -> bool:
    by_class = (counts.status_2xx, counts.status_3xx, counts.status_4xx, counts.status_5xx)
    times = [t for t in (counts.latency_p50_s, counts.latency_p95_s) if t is not None]
    numbers: Iterable[float] = (
        counts.requests,
        *by_class,
        counts.timeouts,
        *counts.latency_buckets,
        *times,
    )
    return all(map(_countable, numbers)) and len(counts.latency_buckets) <= _BUCKETS_MAX


def _trial(trial: TrialReport | None) -> TrialReport | None:
    if trial is None:
        return None
    return replace(
        trial,
        message=_text(trial.message),
        nacks=_nacks(trial.nacks),
        verdict=_text(trial.verdict),
        probes=replace(trial.probes, first=_text(trial.probes.first)),
    )


def _names(names: NamesReport | None) -> NamesReport | None:
    """None also where numbers make no sense: metrics count with them."""
    if names is None:
        return None
    told = names.names[: limits.DNS_TOLD_NAMES_MAX]
    numbers: Iterable[float] = (
        *(names.port, names.remembered, names.questions, names.forwarded),
        *(names.from_memory, names.stale),
        *(at_s for name in told for at_s in (name.since_s, name.until_s)),
    )
    if not all(0 <= number <= _TIME_S_MAX for number in numbers):
        return None
    clean = tuple(
        replace(
            name,
            name=_text(name.name),
            why=_text(name.why)[:_WORD],
            addresses=tuple(text[:_WORD] for text in _texts(name.addresses)),
        )
        for name in told
    )
    return replace(names, names=clean)


def _nacks(nacks: tuple[Nack, ...]) -> tuple[Nack, ...]:
    return tuple(
        Nack(_text(n.type_url), _text(n.resource), _text(n.owner), _text(n.envoy_words))
        for n in nacks[: limits.REPORT_TEXTS_MAX]
    )


def _texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_text(text) for text in texts[: limits.REPORT_TEXTS_MAX])


def _text(text: str) -> str:
    """Text that a terminal and every database can take."""
    cut = text[: limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX]
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in cut)


def _countable(number: float) -> bool:
    return 0 <= number <= _COUNT_MAX  # false for nan too; of any whole number, however large


def _nonsense(place: str, value: Any) -> UsageError:
    return UsageError(
        "report-makes-no-sense",
        f"The report's `{place}` is {str(value)[:80]!r}.",
        remedy="Update the node, or check that it really is a Seawall node.",
    )
