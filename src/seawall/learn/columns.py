"""The feature table, and the list of features as the database itself tells it.

The list goes through the checks of the artifact before anything is trained: a duplicate is not
quietly dropped, and an unknown or missing column is not quietly accepted. Whatever made the list
wrong would make the next one wrong too, and somebody has to look.
"""

from collections import Counter
from collections.abc import Sequence

from seawall import limits
from seawall.bots.features import CHARACTER_BASE, FEATURES
from seawall.errors import RefusedError
from seawall.learn.database import Database, rows, sql

_SHOWN = 3


def column(feature: str) -> str:
    """The column of a feature."""
    return feature.replace("-", "_")


def build(database: Database, part: str) -> None:
    """Make the feature table anew from the records of a part. Raises as `Database.ask`."""
    names = [column(feature.name) for feature in FEATURES]
    codes = [
        f"toUInt8(if(length(vector) >= {place}, "
        f"ascii(substring(vector, {place}, 1)) - {CHARACTER_BASE}, 0)) AS {name}"
        for place, name in enumerate(names, 1)
    ]
    statement = sql(
        "features",
        columns=",\n    ".join(f"{name} UInt8" for name in names),
        codes=",\n    ".join(codes),
    )
    database.ask(statement, part=part)


def listed(database: Database) -> tuple[str, ...]:
    """Names of the features, as the database lists the columns of the feature table.

    Raises:
        RefusedError: the list is not exactly what this version computes.
    """
    return checked([str(name) for (name,) in rows(database, sql("columns"))])


def checked(found: Sequence[str]) -> tuple[str, ...]:
    """The features of a list of columns.

    Raises:
        RefusedError: with the arithmetic, for a duplicate, unknown or missing column.
    """
    known = {column(feature.name): feature.name for feature in FEATURES}
    counts = Counter(found)
    wrong = (
        (
            "twice or more",
            [f"{name} ({count} times)" for name, count in counts.items() if count > 1],
        ),
        ("unknown here", [name for name in counts if name not in known]),
        ("missing", [name for name in known if name not in counts]),
    )
    if any(names for _, names in wrong):
        said = "; ".join(
            f"{len(names)} {what}: {', '.join(each[:60] for each in names[:_SHOWN])}"
            f"{' ...' if len(names) > _SHOWN else ''}"
            for what, names in wrong
            if names
        )
        raise RefusedError(
            "bot-feature-list-wrong",
            f"The database lists {len(found)} feature columns where {len(known)} are computed, "
            f"and a model may have {limits.BOT_FEATURES_MAX}: {said}.",
            remedy="Check what else is called `features` in that database, and who can see it. "
            "Nothing was trained; the current model stays in force.",
        )
    return tuple(known[name] for name in found)
