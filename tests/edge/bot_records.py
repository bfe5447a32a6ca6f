"""An edge that scores, and the records of what it saw."""

import hashlib
import random
from dataclasses import replace

from bot_models import random_model
from edge.serving import Serving, wait_until
from seawall.bots import artifact
from seawall.bots.features import CODE_MAX, FEATURES, INDEX, to_text
from seawall.bots.model import Golden, Model, Tree
from seawall.errors import NotFoundError
from seawall.limits import MIB
from seawall.model import BotModel
from seawall.telemetry.bots import BotVerdict, parse_verdict
from seawall.telemetry.records import AccessRecord, find, recent


def packed(model: Model) -> BotModel:
    content = artifact.write(model)
    return BotModel(hashlib.sha256(content).hexdigest(), content)


def harsh_model() -> BotModel:
    """Everything that can come scores 1: only a user agent longer than any scores 99."""
    tree = Tree((0,), (CODE_MAX - 1,), (-1,), (-2,), (-9.0, 9.0), (0.0,))
    usual = random_model(1)
    bare = replace(
        usual, features=("agent-length",), base=0.0, trees=(tree,), cuts=(0.0,) * len(usual.cuts)
    )
    chance = random.Random(1)
    vectors = []
    for code in (0, 10, 20, 30, 40, 50, 60, CODE_MAX):
        codes = [chance.randrange(CODE_MAX) for _ in FEATURES]
        codes[INDEX["agent-length"]] = code
        vectors.append(codes)
    golden = tuple(Golden(to_text(codes), bare.score(codes)) for codes in vectors)
    return packed(replace(bare, golden=golden))


def record(edge: Serving, request_id: str | None) -> AccessRecord:
    """The record of an answered request, once Envoy has written it."""

    def found() -> AccessRecord | None:
        edge.envoy.admin("/reopen_logs", method="POST")
        try:
            return find(edge.envoy.directory / "access.ndjson", request_id or "")
        except NotFoundError:
            return None

    return wait_until(found, what=f"the record of {request_id}")


def record_of_path(edge: Serving, path: str) -> AccessRecord:
    """The newest record of a path, for clients that do not tell their request id."""

    def found() -> AccessRecord | None:
        edge.envoy.admin("/reopen_logs", method="POST")
        newest = recent(edge.envoy.directory / "access.ndjson", MIB)
        return next((one for one in newest if one.path == path), None)

    return wait_until(found, what=f"the record of {path}")


def verdict(edge: Serving, request_id: str | None) -> BotVerdict:
    """What the filter decided of it."""
    found = record(edge, request_id)
    read = parse_verdict(found.bots)
    assert read is not None, found
    return read


def faults(edge: Serving) -> int:
    """Of the bot filter, over all listeners."""
    counted = edge.envoy.stats(r"^http\..*\.lua\.errors$")
    return sum(counted.values())
