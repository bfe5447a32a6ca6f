"""Which running Seawall a command talks to, and what it is called where nothing is said."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.errors import UsageError

DEFAULT_CONFIG: Final = Path("seawall.yaml")
DEFAULT_DATA_DIR: Final = Path("seawall-data")


@dataclass(frozen=True, slots=True)
class Target:
    """The Seawall that a command talks to; `url` wins over `data_dir`."""

    data_dir: Path
    url: str = ""
    token: str = ""


def named(text: str | None, what: str) -> str | None:
    """What was named; None where nothing was typed, which often means all, or the default.

    Raises:
        UsageError: it was typed and is empty, as a variable of a script that has no value.
    """
    if text == "":
        raise UsageError(
            "empty-argument",
            f"{what} is empty. Perhaps a variable of a script has no value.",
            remedy="Give a value, or leave it out.",
        )
    return text
