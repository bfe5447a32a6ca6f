"""From tables to rows: features and labels by SQL, and how many records came to what label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from seawall import limits
from seawall.bots.features import CHARACTER_BASE, FEATURES, INDEX
from seawall.errors import InternalError, RefusedError
from seawall.learn import columns
from seawall.learn.database import Database, rows, sql
from seawall.learn.rows import CLASSES, Rows, families_of

BOT_RULES: Final = ("honeypot",)
"""Names of rules whose clients are bots, unless others are named."""
TOOL_RULES: Final = ("declared",)
"""Names of rules for programs that say what they are, unless others are named."""


@dataclass(frozen=True, slots=True)
class Label:
    """How many records came to a label, by source.

    Attributes:
        label: a class, `verified`, `contradictory` or `unlabelled`.
        source: `session`, `verified`, `impostor`, `honeypot`, `declared`, `challenge`, or empty.
        overruled: of these, where a lesser source said something else.
    """

    label: str
    source: str
    records: int
    overruled: int


@dataclass(frozen=True, slots=True)
class Rules:
    """Which rules of a site's policy say what a client is."""

    bot: Sequence[str] = BOT_RULES
    tool: Sequence[str] = TOOL_RULES


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows to learn from or to measure with, and what was left out."""

    rows: Rows
    labels: tuple[Label, ...]
    seconds: tuple[float, float] = field(default=(0.0, 0.0))


def gather(database: Database, part: str, rules: Rules) -> Dataset:
    """Make the tables of features and labels, and take the rows out.

    Raises:
        RefusedError: the list of features is wrong, or no record has a label.
        UnreachableError: the database does not answer.
    """
    columns.build(database, part)
    features = columns.listed(database)
    database.ask(
        sql("labels"),
        part=part,
        agent_place=INDEX["agent-family"] + 1,
        base=CHARACTER_BASE,
        bot_rules=tuple(rules.bot),
        tool_rules=tuple(rules.tool),
        span_s=limits.LEARN_HONEYPOT_SPAN_S,
    )
    labels = tuple(
        Label(str(label), str(source), int(records), int(overruled))
        for label, source, records, overruled in rows(database, sql("counts"), part=part)
    )
    database.ask(
        sql("dataset"),
        part=part,
        first=limits.LEARN_CLIENT_FIRST_ROWS,
        client_rows=limits.LEARN_CLIENT_ROWS_MAX,
        family_rows=limits.LEARN_FAMILY_ROWS_MAX,
        rows=limits.LEARN_ROWS_MAX,
    )
    found = _rows(database, features)
    if not labels:
        raise RefusedError(
            "bot-training-too-little",
            "There is nothing to learn from: no line is an access record with bot features.",
            remedy="Give access.ndjson files of nodes (uncompressed) with sites that are not "
            "`bots: off`.",
        )
    if not len(found):
        counts = ", ".join(f"{each.records:,} {each.label}" for each in labels)
        raise RefusedError(
            "bot-training-unlabelled",
            f"No record has a label to learn from: {counts}.",
            remedy="Give the truth with --sessions, or rules of the site with --bot-rule and "
            "--tool-rule (`labels` under `retrain` in a site file). docs/bot-training.md "
            "explains where labels come from.",
        )
    return Dataset(found, labels, (float(found.time_s.min()), float(found.time_s.max())))


def _rows(database: Database, features: tuple[str, ...]) -> Rows:
    told = rows(database, sql("rows"))
    names = ", ".join(columns.column(feature.name) for feature in FEATURES)
    content = database.ask(sql("codes", columns=names), "RowBinary")
    if len(content) != len(told) * len(FEATURES):
        raise InternalError(
            "bot-rows-differ",
            f"{len(told)} rows came with {len(content)} codes; each row should have "
            f"{len(FEATURES)}.",
            remedy="Perhaps another training uses this database. Run one at a time.",
        )
    label = [str(row[0]) for row in told]
    families, family = families_of(label, [str(row[1]) for row in told])
    clients = _numbers([str(row[2]) for row in told])
    return Rows(
        features=features,
        codes=np.frombuffer(content, dtype=np.uint8).reshape(len(told), len(FEATURES)),
        label=np.array([CLASSES.index(each) for each in label], dtype=np.int64),
        family=family,
        families=families,
        client=np.array([clients[str(row[2])] for row in told], dtype=np.int64),
        ordinal=np.array([int(row[4]) for row in told], dtype=np.int64),
        time_s=np.array([float(row[3]) for row in told], dtype=np.float64),
        trust=np.array([float(row[5]) for row in told], dtype=np.float64),
    )


def _numbers(keys: Sequence[str]) -> Mapping[str, int]:
    return {key: place for place, key in enumerate(sorted(set(keys)))}
