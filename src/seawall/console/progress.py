"""An apply or rollback as it happens: each step with a tick and a time, then the outcome."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Self

from rich.console import Group, RenderableType

from seawall.api.codec import to_json
from seawall.api.views import Applied, ApplyEvent, Progress, Refused
from seawall.console.changes import changes, guard
from seawall.console.gate import arithmetic
from seawall.console.output import Output, error_json, error_text, joined, styled, tick
from seawall.console.problems import problems
from seawall.console.words import duration, place
from seawall.errors import UnreachableError

if TYPE_CHECKING:
    from rich.status import Status
    from rich.text import Text

_STEPS: Final[Mapping[str, str]] = {
    "check": "Check the site file",
    "compile": "Compile",
    "limits": "Limits of every part",
    "compatibility": "Readable by every node",
    "guard": "Guard against mass change",
    "scores": "Scores of the bot model",
    "clients": "Clients it turns away",
    "validate": "Validate with Envoy",
    "taster": "Taste next to the current",
    "store": "Sign and store",
    "assign": "Start the rollout",
    "fetch": "Fetch",
    "taste": "Golden requests on nodes",
    "canary": "A share of connections",
    "commit": "Commit to Envoy",
    "serve": "Serve",
    "bake": "Bake",
}
_HANDS: Final = "From another terminal: seawall pause, resume, abort; seawall rollout shows more."
_STILL_GOING_S: Final = 15.0
"""Without a terminal, a step that goes on is told of so often: seldom enough for a log."""


def follow(
    output: Output, events: Iterable[ApplyEvent], *, stream: bool = False
) -> Applied | Refused:
    """Draw the steps as they come and the outcome at the end.

    As JSON, the outcome is one object; with `stream`, every event is a line of its own.

    Raises:
        UnreachableError: the stream ended without an outcome.
    """
    end: Applied | Refused | None = None
    with Steps(output) as steps:
        for event in events:
            if isinstance(event, Applied | Refused):
                end = event
            elif not output.json_format:
                steps.draw(event)
            if output.json_format and (stream or event is end):
                output.write_json(_json(event))
    if end is None:
        raise UnreachableError(
            "outcome-unknown",
            "The connection to the control process was lost before the outcome was known; the "
            "edge serves on.",
            remedy="`seawall status` shows what serves now.",
        )
    if not output.json_format and isinstance(end, Refused):
        output.show_aside(refused(end))
    elif not output.json_format and isinstance(end, Applied):
        output.show(applied(end))
    return end


def see_off(output: Output, events: Iterable[ApplyEvent]) -> bool:
    """Follow until the release is stored and on its way; it goes on by itself.

    Returns:
        Whether it is on its way, or there was nothing to do.
    """
    with Steps(output) as steps:
        for event in events:
            if isinstance(event, Applied | Refused):
                if output.json_format:
                    output.write_json(_json(event))
                elif isinstance(event, Refused):
                    output.show_aside(refused(event))
                else:
                    output.show(applied(event))
                return isinstance(event, Applied)
            if not output.json_format:
                steps.draw(event)
            if event.stage == "assign" and event.state == "done":
                output.tell(
                    event, lambda: styled("It is on its way: seawall rollout, seawall status.")
                )
                return True
    raise UnreachableError(
        "outcome-unknown",
        "The connection to the control process was lost before the outcome was known; the edge "
        "serves on.",
        remedy="`seawall status` shows what serves now.",
    )


def _json(event: ApplyEvent) -> Mapping[str, object]:
    """What happened; a refusal tells its error where every command does, too."""
    told: dict[str, object] = to_json(event)
    if isinstance(event, Refused):
        told["error"] = error_json(event.message, code=event.code, do=event.remedy)
    return told


class Steps:
    """Draws progress events on standard error; a running step spins on a terminal."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._started_s: dict[str, float] = {}
        self._shown_s = 0.0
        self._status: Status | None = None
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._still()

    def draw(self, event: Progress) -> None:
        """Show one event."""
        name = _STEPS.get(event.stage, event.stage)  # a newer control may know more steps
        began_s = self._started_s.setdefault(event.stage, event.elapsed_s)
        if event.state == "started":
            if began_s == event.elapsed_s:
                self._shown_s = began_s
            elif event.stage == "canary" and not self._told:
                self._told = True
                self._still()
                self._line(styled(">", "dim"), name, event, event.elapsed_s - began_s)
                self._output.show_aside(styled(f"  {_HANDS}", "dim"))
            self._spin(f"{name} {event.text}".strip())
            if self._status is None and event.elapsed_s - self._shown_s >= _STILL_GOING_S:
                self._line(styled(">", "dim"), name, event, event.elapsed_s - began_s)
            return
        self._still()
        del self._started_s[event.stage]
        good = event.state == "done"
        self._line(tick(self._output.err, good=good), name, event, event.elapsed_s - began_s)

    def _line(self, mark: "Text", name: str, event: Progress, took_s: float) -> None:
        self._shown_s = event.elapsed_s
        self._output.show_aside(
            joined(
                mark,
                styled(f" {name:<26}"),
                styled(f"{duration(took_s):>8}", "dim"),
                styled(f"  {event.text}" if event.text else "", "dim"),
            )
        )

    def _spin(self, text: str) -> None:
        if self._output.err.is_terminal:
            self._still()
            self._status = self._output.err.status(styled(text))
            self._status.start()

    def _still(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def applied(view: Applied) -> RenderableType:
    """The outcome of a successful apply or rollback."""
    parts: list[RenderableType] = []
    if view.problems:
        parts.append(problems(view.problems))
    if view.changes:
        parts.append(changes(view.changes, view.changes_hidden))
    parts.append(styled(_applied_words(view), "bold"))
    parts += [joined(styled("note: ", "yellow"), styled(note)) for note in view.notes]
    return Group(*parts)


def refused(view: Refused) -> RenderableType:
    """Why it was refused, with everything needed to mend it, and what serves on."""
    parts: list[RenderableType] = []
    if view.problems:
        parts.append(problems(view.problems, view.problems_hidden))
    if view.guard is not None:
        parts.append(guard(view.guard))
    elif (found := arithmetic(view.gate)) is not None:
        parts.append(found)
    for refusal in view.envoy:
        where = place(refusal.file, refusal.line) if refusal.file else ""
        parts.append(
            joined(
                styled(f"{where}: " if where else "", "bold"),
                styled(f"{refusal.owner}: Envoy says: {refusal.envoy_words}"),
            )
        )
    parts.append(error_text(view.message, code=view.code, do=view.remedy))
    parts.append(styled(_goes_on_serving(view), "bold"))
    return Group(*parts)


def _goes_on_serving(view: Refused) -> str:
    if not view.serving:
        return "Nothing serves yet."
    if view.code in ("held", "paused"):  # some nodes may have committed it
        return f"{view.serving} is current; `seawall status` shows what each node serves meanwhile."
    return f"{view.serving} serves on, unchanged."


def _applied_words(view: Applied) -> str:
    took = duration(view.elapsed_s)
    if view.dry_run:
        return f"Dry run: this would be accepted ({took}). Nothing was released."
    name = view.release.id if view.release else "the current release"
    if view.withdrawn:
        return f"{view.withdrawn}, which was on its way, was withdrawn; {name} stays."
    if not view.changed:
        if view.release is not None and not view.release.serving:
            return f"No change: {name} is current already, but no node serves it at the moment."
        return f"No change: {name} already serves this."
    before = f" (before: {view.previous})" if view.previous else ""
    return f"{name} serves{before}, in {took}."
