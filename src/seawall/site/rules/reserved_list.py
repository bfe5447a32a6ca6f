"""An address list with a name that stands for something else."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.sources import BOT_MODEL, BOT_SHADOW, CLEARANCE_KEYS, RESERVED

RULE = Rule(
    id="reserved-list",
    severity=Severity.ERROR,
    meaning=f"An address list is called `{BOT_MODEL}`, `{BOT_SHADOW}` or `{CLEARANCE_KEYS}`.",
    why=f"These names are taken: `seawall feed push {BOT_MODEL}` releases the bot model, "
    f"`{BOT_SHADOW}` its shadow, and control keeps its keys under `{CLEARANCE_KEYS}`.",
    remedy="Give the list another name.",
    example=one_site(
        "origin: http://127.0.0.1:3000\ndeny: bot-model",
        top="""\
listen: {http: 127.0.0.1:8080}
lists:
  bot-model: {}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """The names of all lists."""
    for name in RESERVED:
        if name in draft.top.section.lists:
            what = f"The list name `{name}` is reserved."
            yield RULE.found(draft.top.at("lists", name, of_key=True), f"list {name}", what)
