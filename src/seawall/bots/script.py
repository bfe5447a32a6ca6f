"""The Lua filter as two texts, of requests and of answers: modules of `lua/`, and a main for each.

The text is a pure function of its parts, so equal releases have equal texts. Everything that is
configured is data in quotes or numbers; no text of a site file, model or feed becomes code here
(rules do, in `seawall.bots.policy`, from a checked tree).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Final

from seawall import limits
from seawall.bots import ja4
from seawall.bots.features import FEATURES, INDEX, to_text
from seawall.bots.model import Model

MODULES: Final = (
    *("memo", "windows", "model", "shadow", "ja4", "agent", "client"),
    *("paths", "shapes", "signals", "policy"),
    *("verified", "clearance", "turns", "proof", "reply", "challenge"),
)
"""In the order in which they may use one another."""
ANSWERS_MODULES: Final = ("windows", "reply")
"""Those of `MODULES` that the half for answers uses."""
MODEL_ID_LENGTH: Final = 8
"""Digits of a model's digest that records and the script name it by."""
_TEXTS_REMEMBERED: Final = 4

_PLAIN: Final = {*range(ord(" "), ord("~") + 1)} - {*b'"\\'}
_ESCAPES: Final = {byte: f"\\{byte:03d}" for byte in range(256) if byte not in _PLAIN}
"""How Lua writes a byte that is not a plain printable one."""

Value = str | int | float | bool | Mapping[str, "Value"]


@dataclass(frozen=True)
class Script:
    """What the filter is made of.

    Attributes:
        bots: the known bots and their networks, as `seawall.verify.lua` writes them: a chunk that
            returns a table.
        model: None scores nothing: absent.
        model_digest: of the model's file; names it in records.
        shadow: scores beside the model and decides nothing; without a model it is left out.
        shadow_digest: likewise.
        service: the node's bot service can be asked, for challenges and signatures.
        policies: some virtual host has a policy in its metadata; False asks none for it.
    """

    bots: str
    model: Model | None = None
    model_digest: str = ""
    shadow: Model | None = None
    shadow_digest: str = ""
    service: bool = False
    policies: bool = True

    def __hash__(self) -> int:
        flags = self.service, self.policies
        return hash((self.bots, self.model_digest, self.shadow_digest, flags))


@lru_cache(maxsize=_TEXTS_REMEMBERED)
def script_text(script: Script) -> str:
    """The whole Lua source."""
    config: dict[str, Value] = {
        "ja4": ja4.lua_table(),
        "features_count": len(FEATURES),
        "features": dict(INDEX),
        "service": script.service,
        "policies": script.policies,
    }
    if script.model is not None:
        config["model"] = model_config(script.model, script.model_digest)
        if script.shadow is not None:
            sides = {"sides": _numbers(limits.BOT_DRIFT_THRESHOLDS)}
            config["shadow"] = {**model_config(script.shadow, script.shadow_digest), **sides}
    parts = [_loaded(name) for name in MODULES]
    parts.append(f"local bot_data = (function()\n{script.bots}\nend)()")
    parts.append(f"local config = {literal(config)}")
    parts.append(module("main"))
    return "\n".join(parts)


@cache
def answers_text() -> str:
    """The Lua source of the half that looks at answers: the same for every edge."""
    return "\n".join((*map(_loaded, ANSWERS_MODULES), module("answers")))


def _loaded(name: str) -> str:
    return f"local {name} = (function()\n{module(name)}\nend)()"


def model_config(model: Model, digest: str) -> Mapping[str, Value]:
    """What `model.lua` takes: all trees in flat lists, as texts of numbers."""
    roots: list[int] = []
    feature: list[int] = []
    threshold: list[int] = []
    left: list[int] = []
    right: list[int] = []
    leaf: list[float] = []
    for tree in model.trees:
        nodes, leaves = len(feature), len(leaf)
        roots.append(_moved(0 if tree.feature else -1, nodes, leaves))
        feature += tree.feature
        threshold += tree.threshold
        left += [_moved(child, nodes, leaves) for child in tree.left]
        right += [_moved(child, nodes, leaves) for child in tree.right]
        leaf += tree.leaf
    absent = to_text((0,) * len(FEATURES))
    return {
        "id": digest[:MODEL_ID_LENGTH],
        "name": model.name,
        "base": repr(model.base),
        "places": _numbers(model.places),
        "roots": _numbers(roots),
        "feature": _numbers(feature),
        "threshold": _numbers(threshold),
        "left": _numbers(left),
        "right": _numbers(right),
        "leaf": _numbers(leaf),
        "cuts": _numbers(model.cuts),
        "golden": "".join(f"{g.score} {g.vector}{absent[len(g.vector) :]}\n" for g in model.golden),
    }


@cache
def module(name: str) -> str:
    """The source of a module in `lua/`."""
    return resources.files("seawall.bots").joinpath("lua", f"{name}.lua").read_text("utf-8")


def literal(value: Value) -> str:
    """A value as Lua writes it.

    Every byte of a text that is not a plain printable one is escaped, so that no text leaves its
    quotes.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return f'"{value.encode().decode("latin-1").translate(_ESCAPES)}"'
        case _:
            entries = (f"[{literal(key)}]={literal(each)}" for key, each in value.items())
            return "{" + ",".join(entries) + "}"


def _numbers(values: Sequence[float]) -> str:
    return " ".join(repr(value) for value in values)


def _moved(child: int, nodes: int, leaves: int) -> int:
    """A child of one tree, as its number among all trees."""
    return child + nodes if child >= 0 else child - leaves
