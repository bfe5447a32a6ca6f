"""Following a release from a command, which may be left before it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seawall.console.output import Output
from seawall.exit_codes import DONE, REFUSED

if TYPE_CHECKING:
    from seawall.api.views import ApplyEvent


def followed(output: Output, events: Iterator["ApplyEvent"]) -> int:
    """The exit code of a release that is followed to its end."""
    with told_when_left(output):
        from seawall.api.views import Refused  # noqa: PLC0415 - while control works
        from seawall.console import progress  # noqa: PLC0415 - likewise

        end = progress.follow(output, events)
    return REFUSED if isinstance(end, Refused) else DONE


@contextmanager
def told_when_left(output: Output) -> Iterator[None]:
    """Ctrl-C leaves the command and not the release: say so."""
    try:
        yield
    except KeyboardInterrupt:
        output.error(
            "This command stops watching; the release continues.",
            code="interrupted",
            do="Once `seawall rollout` shows it, `seawall abort` withdraws it. Until then it "
            "cannot be stopped.",
        )
        raise
