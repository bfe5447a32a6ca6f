"""Work that control does by itself at intervals: `retrain` and `ranges` of the edge's bots."""

from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from seawall import limits
from seawall.bots.features import IDENTITY_GROUP, INDEX
from seawall.site.schema.base import Section, one_or_many
from seawall.site.schema.values import (
    Checked,
    FilePath,
    Name,
    did_you_mean,
    duration,
    duration_text,
    one_of,
    per_cent,
    refuse,
    shown,
    text,
)

_EVERY: Final = duration(
    duration_text(limits.JOB_EVERY_S_MIN), duration_text(limits.JOB_EVERY_S_MAX)
)


def _server(value: Any) -> str:
    url = text(value)
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and url.isprintable()
    except ValueError:
        parts, good = urlsplit(""), False
    if not good or len(url) > limits.API_NAME_LENGTH_CHARS_MAX:
        refuse("bad-url", f"{shown(url)} is not a URL.", "Write `http://HOST:8123/?database=NAME`.")
    if parts.password is not None or parts.username is not None:
        refuse(
            "secret-in-file",
            "The address of the database holds a name or a password.",
            "A site file is kept with every release and may be shown: start control with the whole "
            "address in `SEAWALL_CLICKHOUSE_URL`, and leave this key out.",
        )
    return url


def _feature(value: Any) -> str:
    name = text(value)
    if name not in INDEX and name != IDENTITY_GROUP:
        hint = did_you_mean(name, (*INDEX, IDENTITY_GROUP))
        remedy = hint or f"Name a feature as `seawall bots show` lists them, or `{IDENTITY_GROUP}`."
        refuse("unknown-value", f"{shown(name)} is no feature.", remedy)
    return name


_Rules = Annotated[
    tuple[Name, ...],
    Field(max_length=limits.JOB_LABEL_RULES_MAX),
    BeforeValidator(one_or_many),
]


class LabelsSection(Section):
    """Which clients are people and which are programs. See [labels](bot-training.md#labels)."""

    sessions: FilePath | None = Field(
        default=None,
        description="Known labels of clients, tab-separated. Read at each training; not part of a "
        "release.",
    )
    bot_rules: _Rules = Field(
        default=(), description="Names of site rules whose clients are bots. Default: `honeypot`."
    )
    tool_rules: _Rules = Field(
        default=(),
        description="Names of site rules for programs that declare what they are. Default: "
        "`declared`.",
    )


class RetrainSection(Section):
    """Train a new model at intervals, and release it if it passes every acceptance check."""

    every: Annotated[float, _EVERY] = Field(description="Time from one training to the next.")
    to: Annotated[str, one_of("model", "shadow")] = Field(
        default="model",
        description="What an accepted model becomes: the model in force, or its shadow, which "
        "scores too and decides nothing until `seawall bots promote`.",
    )
    labels: LabelsSection = Field(
        default=LabelsSection.model_validate({}), description="Where labels come from."
    )
    budget: Annotated[float, per_cent(0.001, 10)] = Field(
        default=limits.LEARN_FALSE_POSITIVE_BUDGET,
        description="Share of human requests that may be mistaken for bots.",
    )
    without: Annotated[
        tuple[Annotated[str, Checked(_feature, "feature or `identity`")], ...],
        Field(max_length=limits.BOT_FEATURES_MAX),
        BeforeValidator(one_or_many),
    ] = Field(
        default=(),
        description="Features to leave out of training. `identity`: all features that tell "
        "browsers apart.",
    )
    database: Annotated[str, Checked(_server, "URL")] | None = Field(
        default=None,
        description="A ClickHouse server that holds the records of all nodes, without a password. "
        "Default: the server in control's `SEAWALL_CLICKHOUSE_URL`, or else an embedded one.",
    )


class RangesSection(Section):
    """Fetch the published ranges of bots at intervals, and release each list that changed."""

    every: Annotated[float, _EVERY] = Field(description="Time from one fetch to the next.")
