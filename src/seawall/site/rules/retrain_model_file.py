"""Retraining of a model, or of a shadow, that is a file."""

from collections.abc import Iterator

from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="retrain-model-file",
    severity=Severity.ERROR,
    meaning="`bots` names a file for the model, or for its shadow, and also wants it retrained.",
    why="A trained model is released as a feed. While the model is a file, no feed can "
    "replace it, so every training would be useless.",
    remedy="Remove the file, so that the trained model scores; or write `retrain: {to: shadow}`, "
    "so that it scores beside the file; or remove `retrain`, and update the file by hand.",
    example=one_site(
        "origin: http://127.0.0.1:3000",
        top="""\
listen: {http: 127.0.0.1:8080}
bots: {model: models/current.json, retrain: {every: 24h}}""",
    ),
)


def check(draft: Draft) -> Iterator[Problem]:
    """The bots of the edge."""
    bots = draft.top.section.bots
    if bots.retrain is None or draft.top.lost("bots", "retrain", "to"):
        return
    file = bots.shadow if bots.retrain.to == "shadow" else bots.model
    if file is not None:
        where = draft.top.at("bots", "retrain", of_key=True)
        what = f"The {bots.retrain.to} is the file `{file}`, and no training can replace it."
        yield RULE.found(where, "bot model", what)
