"""How far scores move from one model to the next, and the vectors that this is measured on. Pure.

Both models score the same vectors, so every difference is the model's. A score that is not there
takes no part: nothing is measured where there is nothing.
"""

from collections.abc import Iterable

from seawall import limits
from seawall.bots.drift import Drift, of_pairs
from seawall.bots.features import from_text
from seawall.bots.kinds import EXEMPT_PRIVATE
from seawall.bots.scripted import ScriptedModel
from seawall.telemetry.bots import parse_verdict
from seawall.telemetry.records import AccessRecord, time_s


def measured(
    old: ScriptedModel, new: ScriptedModel, vectors: Iterable[tuple[int, ...]]
) -> Drift | None:
    """Both models on the same vectors; None when there is none."""
    known: dict[tuple[int, ...], tuple[int, int]] = {}
    pairs: list[tuple[int, int]] = []
    for codes in vectors:
        if codes not in known:
            known[codes] = old.score(codes), new.score(codes)
        pairs.append(known[codes])
    return of_pairs(pairs)


def golden_vectors(*models: ScriptedModel) -> list[tuple[int, ...]]:
    """The golden vectors of models, each once."""
    texts = dict.fromkeys(golden.vector for model in models for golden in model.golden)
    return [codes for text in texts if (codes := from_text(text)) is not None]


def recent_vectors(records: Iterable[AccessRecord], now_s: float) -> list[tuple[int, ...]]:
    """A bounded sample of what clients showed of late, newest first; no client counts for many."""
    found: list[tuple[int, ...]] = []
    of_client: dict[str, int] = {}
    for record in records:
        if len(found) >= limits.BOT_DRIFT_VECTORS_MAX:
            break
        verdict = parse_verdict(record.bots) if record.bots else None
        if verdict is None or not 0 <= now_s - time_s(record.time) <= limits.BOT_DRIFT_AGE_S:
            continue
        if EXEMPT_PRIVATE in verdict.rules:
            continue  # the node itself asked
        of_client[verdict.client] = of_client.get(verdict.client, 0) + 1
        if of_client[verdict.client] <= limits.BOT_DRIFT_CLIENT_VECTORS_MAX:
            found.append(verdict.codes)
    return found
