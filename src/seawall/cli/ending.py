"""How a command ends: its failure in words, and its exit code."""

import os
import sys
from collections.abc import Callable, Sequence

from seawall.console.output import Output
from seawall.errors import SeawallError
from seawall.exit_codes import REFUSED, UNREACHABLE, USAGE, exit_code


def ended(action: Callable[[Output], int], *, json_format: bool, serves: bool = False) -> int:
    """Run a command, and show its failure if it fails.

    Args:
        action: the command.
        json_format: JSON was asked for.
        serves: it goes on and tells events, of which its failure is one.

    Returns:
        The exit code.
    """
    output = Output(json_format=json_format, serves=serves)
    try:
        code = action(output)
    except SeawallError as error:
        output.error(error.message, code=error.code, do=error.remedy)
        code = exit_code(error)
    except (BrokenPipeError, KeyboardInterrupt):
        # What was begun in the control process goes on there: nothing is left half done.
        code = REFUSED
    except PermissionError as error:
        code = _closed(output, error)
    except Exception as error:
        if os.environ.get("SEAWALL_TRACEBACK"):
            raise
        if isinstance(error, UnicodeError) and (odd := _no_text(sys.argv)):
            output.error(
                f"{odd!r} is not valid text.",
                code="no-text",
                do="Write it in the encoding of this terminal; `locale` shows which.",
            )
            return USAGE
        output.error(
            f"This command hit an unexpected error: {error!r}.",
            code="internal",
            do="The edge is not affected. Please report this, with the output of the same command "
            "under SEAWALL_TRACEBACK=1.",
        )
        code = REFUSED
    return code


def _closed(output: Output, error: PermissionError) -> int:
    """Say which directory or file is closed to this user; a process of another one has no name."""
    closed = (
        f"{os.fsdecode(error.filename)} is not accessible to this user" if error.filename else ""
    )
    output.error(
        f"{closed or 'This user may not do that'}: {error.strerror}.",
        code="no-permission",
        do="Run the command as the user that Seawall runs as, or choose another place.",
    )
    return UNREACHABLE


def _no_text(arguments: Sequence[str]) -> str:
    """The first argument with bytes that are no characters here; empty when all are text."""
    return next((each for each in arguments if any("\ud800" <= c <= "\udfff" for c in each)), "")
