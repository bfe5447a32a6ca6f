"""An address list with a name that stands for something else."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site
from seawall.site.sources import BOT_MODEL

RULE = Rule(
    id="reserved-list",
    severity=Severity.ERROR,
    meaning=f"An address list is called `{BOT_MODEL}`.",
    why=f"`seawall feed push {BOT_MODEL}` brings the model that scores requests; nobody could tell "
    "which of the two was meant.",
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
    if BOT_MODEL in draft.top.section.lists:
        what = f"The list name `{BOT_MODEL}` is reserved for the bot model."
        yield RULE.found(draft.top.at("lists", BOT_MODEL, of_key=True), f"list {BOT_MODEL}", what)
