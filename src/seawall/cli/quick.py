"""A plain `seawall apply`, understood without the library that understands every command line.

That library takes longer to load than the rest of the command. So what is typed day by day is read
here: known options, each once, each with a plain value. Of whatever else is typed nothing is said
here: the library reads it, and says what is wrong with it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from seawall.cli.applying import Order, apply
from seawall.cli.ending import ended
from seawall.cli.target import DEFAULT_CONFIG, DEFAULT_DATA_DIR, Target

_VALUES: Final[Mapping[str, str]] = {
    "--config": "config",
    "-c": "config",
    "--data-dir": "data_dir",
    "-d": "data_dir",
    "--url": "url",
    "--token": "token",
    "--format": "format",
    "-f": "format",
    "--message": "message",
    "-m": "message",
    "--break-glass": "break_glass",
    "--force": "force",
}
_FLAGS: Final[Mapping[str, str]] = {
    "--dry-run": "dry_run",
    "--watch": "watch",
    "-w": "watch",
    "--no-wait": "no_wait",
}
_ENVIRONMENT: Final[Mapping[str, str]] = {
    "SEAWALL_CONFIG": "config",
    "SEAWALL_DATA_DIR": "data_dir",
    "SEAWALL_URL": "url",
    "SEAWALL_TOKEN": "token",
}
_COMPLETION: Final = "_SEAWALL_"
"""Begins what a shell sets that asks for completions instead."""
_FORMATS: Final = ("text", "json")


class PlainApply(NamedTuple):
    """What was typed."""

    target: Target
    order: Order
    json_format: bool


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """Carry out a plain `apply`.

    Returns:
        The exit code; None when that is not what was typed, and nothing has been done.
    """
    typed = plain_apply(arguments, environment)
    if typed is None:
        return None
    return ended(
        lambda output: apply(output, typed.target, typed.order), json_format=typed.json_format
    )


def plain_apply(arguments: Sequence[str], environment: Mapping[str, str]) -> PlainApply | None:
    """What a command line means; None unless it is plainly an `apply`.

    Args:
        arguments: without the name of the program.
        environment: variables that stand in for options.
    """
    if list(arguments[:1]) != ["apply"] or any(n.startswith(_COMPLETION) for n in environment):
        return None
    told = {
        option: environment[name] for name, option in _ENVIRONMENT.items() if name in environment
    }
    found = _options(arguments[1:])
    if found is None:
        return None
    values, flags, force = found
    told |= values
    if not all(map(_is_plain, told.values())) or told.get("format", "text") not in _FORMATS:
        return None
    order = Order(
        Path(told.get("config", DEFAULT_CONFIG)),
        told.get("message", ""),
        force,
        dry_run="dry_run" in flags,
        watch="watch" in flags,
        wait="no_wait" not in flags,
        break_glass=told.get("break_glass", ""),
    )
    data_dir = Path(told.get("data_dir", DEFAULT_DATA_DIR))
    target = Target(data_dir, told.get("url", ""), told.get("token", ""))
    return PlainApply(target, order, told.get("format") == "json")


def _options(
    arguments: Sequence[str],
) -> tuple[dict[str, str], frozenset[str], tuple[str, ...]] | None:
    """Values by name, flags, and what is forced; None when anything else is there."""
    values: dict[str, str] = {}
    flags: set[str] = set()
    force: list[str] = []
    rest = iter(arguments)
    for word in rest:
        if word in _FLAGS and _FLAGS[word] not in flags:
            flags.add(_FLAGS[word])
            continue
        option, joined, value = word.partition("=")
        if joined and not option.startswith("--"):
            return None
        name = _VALUES.get(option)
        if not joined:
            value = next(rest, "")
        if name is None or name in values or not _is_plain(value):
            return None
        if name == "force":
            force.append(value)
        else:
            values[name] = value
    return values, frozenset(flags), tuple(force)


def _is_plain(value: str) -> bool:
    return bool(value) and value.isprintable() and not value.startswith("-")
