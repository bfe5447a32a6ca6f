"""A diff in words, and the arithmetic of the mass-change guard."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from seawall.api.views import ChangeView, DiffView, GuardView, TurnedAwayView
from seawall.console.output import joined, styled
from seawall.console.words import count

_MARKS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}
_OTHER = ("*", "bold")
"""A newer control may know more kinds."""


def diff(view: DiffView) -> RenderableType:
    """What applying would change, and whether the guard would let it pass."""
    against = f"against {view.current}" if view.current else "nothing is released yet"
    if view.identical:
        return styled(f"No change {against}.")
    if not view.changes and view.current:
        what = (
            "the edge would behave as before. A release would only store the new text of the files"
        )
        return styled(f"No change {against} except in the text: {what}.")
    parts: list[RenderableType] = [styled(f"Changes {against}:", "bold")]
    parts += [changes(view.changes, view.changes_hidden)]
    if view.guard is not None and not view.guard.ok:
        parts += [guard(view.guard)]
    if view.turned_away is not None:
        parts += [turned_away(view.turned_away)]
    return Group(*parts)


def turned_away(view: TurnedAwayView) -> RenderableType:
    """Whom changed bot rules and address lists would meet, of the requests recorded of late."""
    lines: list[RenderableType] = [
        styled("Clients turned away, tried on recorded requests:", "bold")
    ]
    lines += [styled(f"  {line}") for line in view.lines]
    if view.code:
        lines.append(joined(styled("turned away: ", "bold red"), styled(view.message)))
        lines.append(joined(styled("  do:  ", "bold"), styled(view.remedy)))
    return Group(*lines)


def changes(found: Sequence[ChangeView], hidden: int = 0) -> RenderableType:
    """One line a change; what interrupts connections says so."""
    lines: list[RenderableType] = [_change(change) for change in found]
    if hidden:
        lines.append(styled(f"  ... and {count(hidden, 'more change')}", "dim"))
    return Group(*lines)


def guard(view: GuardView) -> RenderableType:
    """The refused kinds with their arithmetic and the way to force them."""
    lines: list[RenderableType] = [
        joined(styled("mass change: ", "bold red"), styled(line.text))
        for line in view.lines
        if line.refused
    ]
    if view.force:
        force = " ".join(f"--force {name}" for name in view.force)
        lines.append(
            joined(styled("  do:  ", "bold"), styled(f"if this is intended: seawall apply {force}"))
        )
    return Group(*lines)


def _change(change: ChangeView) -> Text:
    mark, style = _MARKS.get(change.action, _OTHER)
    # The words name the thing themselves; the subject is for programs.
    parts = [styled(f"  {mark} ", style), styled(change.text or change.subject)]
    if change.drains:
        parts.append(styled("  (drains open connections)", "yellow"))
    if change.restarts:
        parts.append(styled("  (needs a new Envoy process)", "yellow"))
    return joined(*parts)
