"""Where a command's answer goes: text for people, or JSON for programs, never a mix of both.

Results go to standard output, errors and progress to standard error, so that a pipe gets what it
asked for. Colour is used on a terminal only, never with NO_COLOR (https://no-color.org). What is
not a terminal gets plain lines of any length: nothing is wrapped or padded for a screen that is
not there.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from seawall.api.codec import to_json
from seawall.console.words import clean
from seawall.errors import RefusedError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_PIPE_WIDTH_CHARS: Final = 20_000
_CONTROLS: Final = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What JSON may hold as it is, and a terminal obeys: C1 controls, and what turns text around."""


class Output:
    """The two streams of one command and the format that was asked for.

    Args:
        serves: a process that does more than answer goes on when it cannot write.

    Attributes:
        unread: whoever read standard output has seen enough.
    """

    def __init__(
        self,
        *,
        json_format: bool,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        serves: bool = False,
    ) -> None:
        self.json_format = json_format
        self._serves = serves
        self._stdout = _tolerant(stdout or sys.stdout or _nowhere())
        self._stderr = _tolerant(stderr or sys.stderr or _nowhere())
        self._lost = False
        self.unread = False

    @cached_property
    def out(self) -> "Console":
        """Console of standard output."""
        return _console(self._stdout)

    @cached_property
    def err(self) -> "Console":
        """Console of standard error."""
        return _console(self._stderr)

    def show(self, *parts: "RenderableType") -> None:
        """Draw on standard output.

        Raises:
            RefusedError: it takes nothing more, as on a full disk.
        """
        self._result(lambda: _draw(self.out, self._stdout, parts))

    def show_aside(self, *parts: "RenderableType") -> None:
        """Draw on standard error: errors, progress, hints. One that is full hides them."""
        try:
            _draw(self.err, self._stderr, parts)
        except OSError:
            _to_nowhere(self._stderr)

    def write_json(self, value: Mapping[str, object]) -> None:
        """One JSON object on one line of standard output.

        Raises:
            RefusedError: it takes nothing more, as on a full disk.
        """
        line = json.dumps(value, ensure_ascii=not _is_unicode(self._stdout.encoding))
        plain = _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
        self._result(lambda: _write(self._stdout, plain + "\n"))

    def tell(self, view: object, drawn: "Callable[[], RenderableType]") -> None:
        """What a command found: as JSON, or as it is drawn for people.

        Raises:
            RefusedError: standard output takes nothing more, as on a full disk.
        """
        if self.json_format:
            self.write_json(to_json(view))
        else:
            self.show(drawn())

    def error(self, what: str, *, code: str, where: str = "", why: str = "", do: str = "") -> None:
        """An error in its four parts; as JSON it is one object on standard output.

        Among the events of what serves it is one of them.
        """
        if self.json_format and not self._lost:
            error = error_json(" ".join(p for p in (what, why) if p), code=code, do=do)
            event = {"event": "error"} if self._serves else {}
            with suppress(RefusedError):
                self.write_json({**event, "error": error | ({"where": where} if where else {})})
                return
        self.show_aside(error_text(what, code=code, where=where, why=why, do=do))

    def _result(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BrokenPipeError:
            _to_nowhere(self._stdout)
            self.unread = True
        except OSError as error:
            _to_nowhere(self._stdout)
            self._lost = True
            if self._serves:
                return
            raise RefusedError(
                "output-lost",
                f"The answer cannot be written to standard output: {error.strerror}.",
                remedy="Write it to another place. Operations that have started in the control "
                "process continue.",
            ) from error


def error_json(message: str, *, code: str, do: str) -> dict[str, str]:
    """An error as every command tells it to programs, under `error`."""
    return {"code": code, "message": message, "remedy": do}


def error_text(what: str, *, code: str, where: str = "", why: str = "", do: str = "") -> "Text":
    """`error: what` and, indented beneath, where, why and what to do."""
    parts = [styled("error: ", "bold red"), styled(what), styled(f" [{code}]", "dim")]
    for label, text in (("where", where), ("why", why), ("do", do)):
        if text:
            parts += [styled(f"\n  {label + ':':<7}", "bold"), styled(text)]
    return joined(*parts)


def styled(text: str, style: str = "") -> "Text":
    """Text made safe for a terminal; brackets in it are brackets, not markup."""
    from rich.text import Text  # noqa: PLC0415 - only a command that draws pays for it

    return Text(clean(text), style=style, overflow="fold")


def joined(*parts: "Text") -> "Text":
    """Several texts as one."""
    from rich.text import Text  # noqa: PLC0415 - only a command that draws pays for it

    whole = Text(overflow="fold")
    for part in parts:
        whole.append_text(part)
    return whole


def tick(console: "Console", *, good: bool) -> "Text":
    """A tick or a cross; words where the terminal cannot write them."""
    mark = ("✓" if good else "✗") if _is_unicode(console.encoding) else ("ok" if good else "failed")
    return styled(mark, "green" if good else "red")


def _console(stream: TextIO) -> "Console":
    from rich.console import Console  # noqa: PLC0415 - only a command that draws pays for it

    terminal = stream.isatty()
    return Console(
        file=stream,
        width=None if terminal else _PIPE_WIDTH_CHARS,
        force_terminal=terminal,
        no_color=bool(os.environ.get("NO_COLOR")) or not terminal,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


def _draw(console: "Console", stream: TextIO, parts: "tuple[RenderableType, ...]") -> None:
    if console.is_terminal:
        for part in parts:
            console.print(part)
        return
    with console.capture() as captured:
        for part in parts:
            console.print(part)
    # Table cells are padded to their column: a file or a pipe needs no trailing spaces.
    text = "".join(line.rstrip() + "\n" for line in captured.get().splitlines())
    _write(stream, text)


def _tolerant(stream: TextIO) -> TextIO:
    """The stream, which writes `?` for what its encoding has no character for."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    return stream


def _is_unicode(encoding: str | None) -> bool:
    return (encoding or "").lower().startswith("utf")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()


@cache
def _nowhere() -> TextIO:
    """Stands for a stream that was closed before the command began."""
    return Path(os.devnull).open("w", encoding="utf-8")


def _to_nowhere(stream: TextIO) -> None:
    """Let what is still buffered, and all that follows, go nowhere, quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
