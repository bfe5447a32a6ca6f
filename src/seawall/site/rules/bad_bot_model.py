"""A bot model that holds something else than it should."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="bad-bot-model",
    severity=Severity.ERROR,
    meaning="The bot model, or its shadow, is invalid: it is truncated or too large, lists a "
    "feature twice or an unknown one, has trees that do not end, or does not give the "
    "scores that it promises.",
    why="A program makes models, and a broken program makes such models. The previous model "
    "stays in force.",
    remedy="Check the program that made it. Replace a pushed model with `seawall feed push "
    "bot-model FILE`; remove a pushed shadow with `seawall bots unshadow`.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="""\
listen: {http: 127.0.0.1:8080}
bots: {model: certs/not-pem.txt}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """The model of the edge, and its shadow."""
    for fault in draft.model_faults:
        yield RULE.found(fault.at, fault.subject, fault.what, remedy=fault.remedy)
