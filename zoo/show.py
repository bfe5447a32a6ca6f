"""A report as tables for the console, as Markdown, and as JSON; the same figures in all three."""

import json
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table

from zoo.intervals import Share
from zoo.report import AT, Goal, Report, Row

LIMITS_OF_LOOPBACK = (
    "All clients run on one machine over loopback. It shows nothing about round-trip times, "
    "packet shapes, networks and their owners, real phones, other operating systems, HTTP/3, or "
    "the browsers that people extend and change. The people are stand-ins that have hands but no "
    "purpose. Figures for clients that share code with a trained one say little about a client "
    "nobody has met."
)


def tables(made: Report) -> RenderableType:
    """For the console."""
    parts: list[RenderableType] = [_summary(made)]
    for title, head, rows in _all(made):
        table = Table(*head, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        parts.append(table)
    return Group(*parts, LIMITS_OF_LOOPBACK)


def as_markdown(made: Report) -> str:
    """For a page."""
    lines = [_summary(made), ""]
    for title, head, rows in _all(made):
        lines += [f"### {title}", "", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        lines += [f"| {' | '.join(row)} |" for row in rows]
        lines.append("")
    return "\n".join([*lines, LIMITS_OF_LOOPBACK, ""])


def as_json(made: Report) -> str:
    """For programs: every share as count, total and its interval."""
    return json.dumps(
        {
            "thresholds": list(made.thresholds),
            "budget": made.budget,
            "calibrated_on": made.calibrated_on,
            "people": {**_json(made.people), "at_most": made.people_bound},
            "sessions": made.sessions,
            "without_records": made.without_records,
            "requests": made.requests,
            "unscored": made.unscored,
            "models": list(made.models),
            "goals": [
                {
                    "name": g.name,
                    "wanted": g.wanted,
                    "at_least": g.least,
                    "reached": g.reached,
                    "at_most": g.bound,
                    **_json(g.share),
                }
                for g in made.goals
            ],
            "families": [_row_json(row) for row in made.families],
            "kinds": [_row_json(row) for row in made.kinds],
            "worst": {kind: row.name for kind, row in made.worst.items()},
            "mean": {kind: {str(k): v for k, v in at.items()} for kind, at in made.mean.items()},
        },
        indent=1,
    )


def _summary(made: Report) -> str:
    unscored = f"{made.unscored:,} of {made.requests:,} requests have no score"
    if made.requests and made.unscored == made.requests:
        return (
            f"{made.sessions:,} sessions, {made.requests:,} requests. None has a score: the edge "
            "that served them had no bot model, so there is no detection to report."
        )
    scores = ", ".join(map(str, made.thresholds)) or "none"
    made_by = (
        f"the highest that detects at most {made.budget:.1%} of {made.calibrated_on} people's "
        "sessions"
        if made.calibrated_on
        else "not made on these people"
    )
    return (
        f"{made.sessions:,} sessions ({made.without_records:,} left no record), {unscored}. "
        f"Model {', '.join(made.models) or 'not named'}. Threshold: a score of {scores} or less, "
        f"{made_by}. Of {made.people.total} other people's sessions it detects "
        f"{made.people.count}; {_bound(made.people_bound)}"
    )


def _bound(bound: float | None) -> str:
    return (
        "nothing is proven without sessions."
        if bound is None
        else f"proven: at most {bound:.2%} (95 %)."
    )


def _all(made: Report) -> Iterator[tuple[str, tuple[str, ...], Iterator[tuple[str, ...]]]]:
    if made.requests and made.unscored == made.requests:
        head = ("family", "kind", "class", "sessions", "requests")
        yield "Families", head, map(_unscored, made.families)
        return
    yield (
        "Goals",
        ("goal", "wanted", "measured", "95 % interval", "of", "reached"),
        map(_goal, made.goals),
    )
    at = tuple(f"at {k}" for k in AT)
    yield (
        "Kinds of bots, families that were not learned from: mean over families, and the worst",
        ("kind", *(f"mean {a}" for a in at), "worst family", *(f"worst {a}" for a in at)),
        (_kind(made, kind, row) for kind, row in sorted(made.worst.items())),
    )
    yield (
        "Families",
        (
            "family",
            "kind",
            "class",
            "held out",
            "sessions",
            *at,
            "one page",
            "challenged",
            "blocked",
        ),
        map(_family, made.families),
    )


def _goal(goal: Goal) -> tuple[str, ...]:
    wanted = f"{'at least' if goal.least else 'at most'} {goal.wanted:.1%}"
    if goal.share.value is None:
        return goal.name, wanted, "not measured", "", "0", "unknown"
    interval = f"{goal.share.low:.1%} to {goal.share.high:.1%}"
    if goal.bound is not None:
        interval = f"at most {goal.bound:.2%}"
    reached = "yes" if goal.reached else "no"
    return goal.name, wanted, f"{goal.share.value:.1%}", interval, str(goal.share.total), reached


def _kind(made: Report, kind: str, worst: Row) -> tuple[str, ...]:
    mean = made.mean[kind]
    return (
        kind,
        *(f"{mean[k]:.1%}" for k in AT),
        f"{worst.name} ({worst.sessions})",
        *(_share(worst.at[k]) for k in AT),
    )


def _family(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.kind,
        row.label,
        "yes" if row.held_out else "",
        str(row.sessions),
        *(_share(row.at[k]) for k in AT),
        _share(row.page),
        str(row.actions["challenge"].count + row.actions["rate"].count),
        str(row.actions["block"].count),
    )


def _unscored(row: Row) -> tuple[str, ...]:
    return row.name, row.kind, row.label, str(row.sessions), str(row.requests)


def _share(share: Share) -> str:
    if share.value is None:
        return "-"
    return f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})"


def _json(share: Share) -> dict[str, float | int | None]:
    return {
        "count": share.count,
        "total": share.total,
        "value": share.value,
        "low": share.low,
        "high": share.high,
    }


def _row_json(row: Row) -> dict[str, object]:
    return {
        "name": row.name,
        "kind": row.kind,
        "class": row.label,
        "held_out": row.held_out,
        "sessions": row.sessions,
        "requests": row.requests,
        "unscored": row.unscored,
        "at": {str(k): _json(share) for k, share in row.at.items()},
        "page": _json(row.page),
        "actions": {name: _json(share) for name, share in row.actions.items()},
    }
