"""Which schemas of the store exist, and how an older one becomes the newest; forward only.

A change of `tables.py` needs a new module in `versions/`, its name at the end of `REVISIONS`,
and a store of the schema before it in `tests/golden/history/`. Alembic is imported only when
there is something to migrate: it costs 10 MB of memory that a running Seawall does not need.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

REVISIONS: Final = ("0001", "0002", "0003", "0004")
"""Every schema so far, oldest first."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The schemas a program knows; tests bring their own.

    Attributes:
        revisions: oldest first; the last one is current.
        upgrade: brings the database behind a connection to the current one, without committing.
    """

    revisions: tuple[str, ...]
    upgrade: Callable[[Connection], None]


def upgrade(connection: Connection, directory: Path | None = None) -> None:
    """Run every migration that is missing, inside the transaction of `connection`."""
    from alembic import command  # noqa: PLC0415 - see the module docstring
    from alembic.config import Config  # noqa: PLC0415 - see the module docstring

    config = Config()
    config.set_main_option("script_location", str(directory or Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


PACKAGED: Final = Schema(REVISIONS, upgrade)
