"""The arithmetic of a tasting in lines for people. Pure."""

from collections.abc import Sequence

from seawall import limits
from seawall.gate.ask import Answer
from seawall.gate.plate import Tasting
from seawall.gate.probes import Probe, Source


def arithmetic(
    probes: Sequence[Probe], new: Tasting, old: Tasting | None, *, remembered: bool
) -> list[str]:
    """How many were asked, how it started, what it used."""
    counts = [f"{sum(p.source is s for p in probes)} {s.value}" for s in Source]
    lines = [
        f"Asked {len(new.answers)} of {len(probes)} requests: {', '.join(counts)}.",
        (f"Started in {new.start_s:.2f} s, " if new.start_s is not None else "Not started, ")
        + f"{mib(new.memory_bytes)} of memory"
        + (f", the current release {mib(old.memory_bytes)}." if old else "."),
    ]
    pairs = [(a.cpu_s, b.cpu_s) for a, b in _both(new, old) if a.status and b.status]
    if pairs:
        new_s, old_s = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
        lines.append(
            f"CPU time per request: {new_s * 1000:.2f} ms, the current release "
            f"{old_s * 1000:.2f} ms, over {len(pairs)} request(s)."
        )
    if old is None:
        lines.append("There is no current release to compare with.")
    elif remembered:
        lines.append("The answers of the current release are those from its own tasting.")
    return lines


def _both(new: Tasting, old: Tasting | None) -> list[tuple[Answer, Answer]]:
    return list(zip(new.answers, old.answers, strict=False)) if old is not None else []


def mib(size_bytes: int) -> str:
    """For people."""
    return f"{size_bytes / limits.MIB:.0f} MiB"
