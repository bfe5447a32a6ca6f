"""What `system.columns` lists for the feature table, asked as it was asked on 18 November 2025.

Run as a process, `python -m seawall.drill.features.columns DIR`: an embedded ClickHouse gets the
feature table, and then grants that show the same table in more databases. The query has no filter
on the database. One line of JSON on standard output, or why it cannot be asked. Without chDB the
answer is worked out: this query gives every column once for each database that may be seen; a test
holds both to be the same.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seawall.bots.features import FEATURES
from seawall.limits import DRILL_COLUMNS_SIZE_BYTES_MAX, DRILL_COLUMNS_TIMEOUT_S

QUERY: Final = (
    "SELECT name FROM system.columns WHERE table = 'http_requests_features' ORDER BY name"
)
"""No condition on the database: what was missing that day."""
GRANTS: Final = (1, 2, 4)
"""Databases that the replicas of the generator see: a healthy one, and two after the change."""
_TABLE: Final = "http_requests_features"


@dataclass(frozen=True, slots=True)
class Listed:
    """The answers.

    Attributes:
        source: who answered, for people.
        by_databases: columns, by how many databases hold the table.
    """

    source: str
    by_databases: dict[int, tuple[str, ...]]


def worked_out(why: str) -> Listed:
    """What ClickHouse would answer."""
    names = sorted(column(feature.name) for feature in FEATURES)
    return Listed(
        f"computed, not queried: {why}",
        {grant: tuple(name for name in names for _ in range(grant)) for grant in GRANTS},
    )


def column(feature: str) -> str:
    """The column of a feature."""
    return feature.replace("-", "_")


def feature(name: str) -> str:
    """The feature of a column."""
    return name.replace("_", "-")


async def listed(home: Path) -> Listed:
    """Ask in a process of its own, which may be as large as a database; never raises for that.

    Args:
        home: where the database may write.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "seawall.drill.features.columns", str(home)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=DRILL_COLUMNS_SIZE_BYTES_MAX,
    )
    try:
        async with asyncio.timeout(DRILL_COLUMNS_TIMEOUT_S):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return worked_out(f"ClickHouse did not answer in {DRILL_COLUMNS_TIMEOUT_S:g} s")
    try:
        answer = json.loads(out)
        return Listed(answer["source"], {int(k): tuple(v) for k, v in answer["columns"].items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return worked_out(f"ClickHouse ended with status {process.returncode}")


def main(home: str) -> None:
    """Answer on standard output."""
    try:
        import chdb  # noqa: PLC0415 - 200 MiB that only this process loads
        from chdb import session  # noqa: PLC0415 - the same
    except ImportError:
        answer = worked_out("chDB is not installed (pip install 'seawall[learn]')")
        source, columns = answer.source, answer.by_databases
    else:
        database = session.Session(home)
        source = f"queried from ClickHouse (chDB {chdb.__version__})"
        columns = _asked(database)
        database.close()
    json.dump({"source": source, "columns": columns}, sys.stdout)


def _asked(database: "object") -> dict[int, tuple[str, ...]]:
    fields = ", ".join(f"{column(each.name)} UInt8" for each in FEATURES)
    found: dict[int, tuple[str, ...]] = {}
    for number in range(max(GRANTS)):
        name = "seawall" if number == 0 else f"r{number - 1}"
        _ask(database, f"CREATE DATABASE {name}")
        _ask(database, f"CREATE TABLE {name}.{_TABLE} ({fields}) ENGINE = MergeTree ORDER BY ()")
        if number + 1 in GRANTS:
            found[number + 1] = tuple(_ask(database, QUERY).split())
    return found


def _ask(database: object, statement: str) -> str:
    return bytes(database.query(statement, "TSV").bytes()).decode()  # type: ignore[attr-defined]  # - chDB has no types


def features_of(content: bytes) -> dict[str, str]:
    """What the flawed data plane is fed of a model file: all names that a careless reader finds."""
    return {"features": ",".join(_names(content))}


def _names(content: bytes) -> Sequence[str]:
    try:
        found = json.loads(content)["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ()
    return [str(name) for name in found] if isinstance(found, list) else ()


if __name__ == "__main__":
    main(sys.argv[1])
