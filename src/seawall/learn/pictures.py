"""The pictures of a report: drawn without a screen, readable without colour, small files.

Blue stands for people, orange for programs, everywhere; shapes and labels say it too.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from seawall.learn.evaluate import UNSEEN, Evaluation, Family
from seawall.learn.metrics import Share
from seawall.learn.rows import BOT, CLASSES, HUMAN, TOOL

COLOURS: Final[Mapping[str, str]] = {HUMAN: "#1f6fb2", TOOL: "#8a8f98", BOT: "#d9641e"}
NAMES: Final[Mapping[str, str]] = {HUMAN: "people", TOOL: "tools", BOT: "bots"}
_STYLE: Final = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e5e8",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "legend.frameon": False,
}
_DPI: Final = 120
_FAMILIES_SHOWN: Final = 40
_FEATURES_SHOWN: Final = 20
_LABELLED_SHARE: Final = 0.02
_NEAR_RIGHT: Final = 0.95
_RATE_LEAST: Final = 1e-4
"""Left end of the ROC's axis: below it no test here has enough people."""


def draw(
    folder: Path, new: Evaluation, current: Evaluation | None, meanings: Mapping[str, str]
) -> tuple[str, ...]:
    """Write the pictures into `folder`; their file names, in the order of the report."""
    drawn: dict[str, tuple[tuple[float, float], Callable[[Any], None]]] = {
        "roc.png": ((6.6, 4.6), lambda axes: _roc(axes, new, current)),
        "calibration.png": ((6.6, 4.8), lambda axes: _calibration(axes, new, current)),
        "scores.png": ((8.0, 5.0), lambda axes: _scores(axes, new)),
        "families.png": ((8.0, _height(len(new.families))), lambda axes: _families(axes, new)),
        "features.png": ((8.0, 6.0), lambda axes: _features(axes, new, meanings)),
    }
    with mpl.rc_context(_STYLE):
        for name, (size, paint) in drawn.items():
            figure = Figure(figsize=size, layout="constrained")
            paint(figure)
            figure.savefig(folder / name, dpi=_DPI, metadata={"Software": None})
    return tuple(drawn)


def _roc(figure: Any, new: Evaluation, current: Evaluation | None) -> None:
    axes = figure.subplots()
    for found, style, colour in ((current, "--", "#8a8f98"), (new, "-", COLOURS[BOT])):
        if found is None or not found.curve:
            continue
        rates = np.array(found.curve)
        label = f"{found.model} (area {found.auc:.4f})"
        shown = np.maximum(rates[:, 0], _RATE_LEAST)
        axes.step(shown, rates[:, 1], style, where="post", color=colour, label=label, linewidth=2)
    budget = f"budget of {new.budget:.2%}"
    axes.axvline(new.budget, color=COLOURS[HUMAN], linestyle=":", linewidth=1.5, label=budget)
    axes.set_xscale("log")
    axes.set_xlim(_RATE_LEAST, 1)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("people taken for programs (share of requests, log scale)")
    axes.set_ylabel("programs recognised (share)")
    axes.set_title("What is recognised, for which harm")
    axes.legend(loc="lower right")


def _calibration(figure: Any, new: Evaluation, current: Evaluation | None) -> None:
    axes = figure.subplots()
    axes.plot([0, 100], [0, 1], color="#8a8f98", linewidth=1, label="as it should be")
    for found, mark, style, colour in (
        (current, "s", "--", "#8a8f98"),
        (new, "o", "-", COLOURS[HUMAN]),
    ):
        if found is None:
            continue
        label = f"{found.model} (error {found.calibration_error:.3f})"
        places = [each.claimed * 100 for each in found.bins]
        seen = [each.observed for each in found.bins]
        axes.plot(places, seen, style, color=colour, linewidth=1, label=label)
        sizes = [12 + 400 * each.weight for each in found.bins]
        axes.scatter(places, seen, s=sizes, marker=mark, color=colour, zorder=3)
    for each in new.bins:
        if each.weight >= _LABELLED_SHARE:
            axes.annotate(
                f"{each.weight:.0%} of requests",
                (each.claimed * 100, each.observed),
                xytext=(9, -13) if each.claimed < _NEAR_RIGHT else (0, -21),
                textcoords="offset points",
                ha="left" if each.claimed < _NEAR_RIGHT else "right",
                fontsize=8,
                color="#555",
            )
    axes.set_xlim(-3, 103)
    axes.set_ylim(-0.09, 1.05)
    axes.set_xlabel("score")
    axes.set_ylabel("people among requests with about this score (share)")
    axes.set_title("Does a score mean what it says? A larger mark is more requests")
    axes.legend(loc="upper left")


def _scores(figure: Any, new: Evaluation) -> None:
    panels = figure.subplots(len(CLASSES), 1, sharex=True)
    edges = np.arange(0.5, 100.5, 3)
    for axes, label in zip(panels, CLASSES, strict=True):
        counts = np.array(new.histogram[label])
        grouped, _ = np.histogram(np.arange(1, 100), bins=edges, weights=counts)
        total = max(1, int(counts.sum()))
        axes.bar(
            edges[:-1] + 1.5, grouped / total, width=2.7, color=COLOURS[label], label=NAMES[label]
        )
        axes.set_ylim(0, 1.05)
        axes.set_ylabel("share")
        axes.set_title(f"{NAMES[label]}: {int(counts.sum()):,} requests", fontsize=10)
        if new.operating.score:
            axes.axvline(new.operating.score + 0.5, color="#333", linestyle=":", linewidth=1.5)
    panels[-1].set_xlabel("score: 1 certainly automated, 99 certainly human")
    panels[-1].set_xlim(0, 100)
    if new.operating.score:
        panels[0].annotate(
            f"operating score {new.operating.score}",
            (new.operating.score + 0.5, 0.85),
            xytext=(4, 0),
            textcoords="offset points",
        )


def _height(families: int) -> float:
    return 1.6 + 0.26 * min(families, _FAMILIES_SHOWN)


def _families(figure: Any, new: Evaluation) -> None:
    axes = figure.subplots()
    shown = by_class(new.families)[:_FAMILIES_SHOWN]
    for place, family in enumerate(reversed(shown)):
        colour = COLOURS[family.label]
        low, value, high = _bounds(family.caught)
        axes.plot([low, high], [place, place], color=colour, linewidth=2, alpha=0.5)
        filled = family.part == UNSEEN
        axes.plot(
            [value],
            [place],
            "o",
            color=colour,
            markerfacecolor=colour if filled else "white",
            markersize=7,
        )
        axes.annotate(
            f"{family.caught.count} of {family.caught.of}",
            (1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color="#555",
        )
    names = [
        _plain(f.name if f.label in f.name else f"{f.name} ({f.label})") for f in reversed(shown)
    ]
    axes.set_yticks(range(len(shown)), names, fontsize=9)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("requests at or below the operating score (share, with 90 % interval)")
    hidden = len(new.families) - len(shown)
    more = f" ({hidden} more in the table)" if hidden > 0 else ""
    figure.suptitle(
        f"Families; filled: not part of the training data{more}",
        x=0.01,
        ha="left",
        fontsize=11,
        fontweight="bold",
    )


def _features(figure: Any, new: Evaluation, meanings: Mapping[str, str]) -> None:
    axes = figure.subplots()
    shown = [(n, v) for n, v in new.importance.items() if v > 0][:_FEATURES_SHOWN]
    axes.barh(range(len(shown)), [value for _, value in reversed(shown)], color="#1f6fb2")
    axes.set_yticks(range(len(shown)), [name for name, _ in reversed(shown)], fontsize=9)
    for place, (name, value) in enumerate(reversed(shown)):
        axes.annotate(
            _shortened(meanings.get(name, "")),
            (value, place),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color="#555",
        )
    top = max((value for _, value in shown), default=1.0)
    axes.set_xlim(0, top * 1.9)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("mean distance by which it moves the log-odds of a request")
    axes.set_title("What the model looks at")


def by_class(families: Sequence[Family]) -> list[Family]:
    """People first, since harm to them is what counts; then bots, the least caught first."""
    order = {HUMAN: 0, BOT: 1, TOOL: 2}
    sign = {HUMAN: -1.0, BOT: 1.0, TOOL: -1.0}
    return sorted(
        families,
        key=lambda f: (order[f.label], sign[f.label] * (f.caught.value or 0.0), f.name),
    )


def _bounds(found: Share) -> tuple[float, float, float]:
    return found.lower or 0.0, found.value or 0.0, 1.0 if found.upper is None else found.upper


def _plain(text: str) -> str:
    """Text of others: a dollar would begin a formula, and the font has no other alphabets."""
    shown = " ".join(text.split()).encode("ascii", "replace").decode()
    return _shortened(shown).replace("$", r"\$")


def _shortened(text: str) -> str:
    most = 50
    return text if len(text) <= most else text[: most - 3].rstrip(" ,;:") + "..."
