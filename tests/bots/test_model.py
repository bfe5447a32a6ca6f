import json
import math
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_models import random_content, random_model, random_vector
from compiler import build
from lua_machine import machine, module
from seawall import limits
from seawall.bots import artifact
from seawall.bots.features import FEATURES, INDEX, from_text, schema_digest, to_text
from seawall.bots.model import Golden, Model, Tree, score_of
from seawall.bots.script import model_config
from seawall.compiler.compile import compile_edge
from seawall.errors import RefusedError
from seawall.model import BotModel
from seawall.site.build_model import fault_of


def loaded(model: Model) -> Any:
    runtime = machine()
    config = dict(model_config(model, "ab" * 32))
    made = module(runtime, "model").new(runtime.table_from(config))
    assert not isinstance(made, tuple), made
    return made


def test_feature_names_are_unique_and_within_the_bound() -> None:
    assert len(INDEX) == len(FEATURES) <= limits.BOT_FEATURES_MAX


def test_a_vector_is_text_and_back() -> None:
    codes = random_vector(random.Random(1))
    assert from_text(to_text(codes)) == codes


def test_a_shorter_vector_of_an_older_version_lacks_what_is_new() -> None:
    assert from_text(to_text((5, 6))) == (5, 6, *(0,) * (len(FEATURES) - 2))


@pytest.mark.parametrize("text", ["", " ", "~" * 10, "#" * 65, "\x00", "é"])
def test_what_is_no_vector_is_none(text: str) -> None:
    assert from_text(text) is None


@pytest.mark.parametrize("seed", range(5))
def test_the_file_of_a_model_reads_back_to_the_same_bytes(seed: int) -> None:
    content = random_content(seed)
    assert artifact.write(artifact.read(content)) == content


@pytest.mark.parametrize("seed", range(6))
def test_lua_and_python_give_the_same_bits(seed: int) -> None:
    model = random_model(seed, trees=40, nodes=limits.BOT_TREE_NODES_MAX)
    lua = loaded(model)
    chance = random.Random(seed)
    for _ in range(300):
        codes = random_vector(chance)
        text = to_text(codes)
        assert lua.margin(lua, text) == model.margin(codes)
        assert lua.score(lua, text) == model.score(codes)


def test_a_score_is_one_more_than_the_cuts_that_are_not_above() -> None:
    cuts = tuple(float(n) for n in range(98))
    assert [score_of(m, cuts) for m in (-1.0, 0.0, 0.5, 96.5, 97.0, 1e9)] == [1, 2, 2, 98, 99, 99]


def test_lua_refuses_a_model_whose_golden_vectors_do_not_come_out() -> None:
    model = random_model(3)
    first = model.golden[0]
    wrong = Golden(first.vector, first.score % 99 + 1)
    runtime = machine()
    config = dict(model_config(replace(model, golden=(wrong, *model.golden[1:])), "ab" * 32))
    made, why = module(runtime, "model").new(runtime.table_from(config))
    assert made is None
    assert "golden vector" in why


def test_reasons_add_up_to_the_way_from_the_mean_to_the_leaf() -> None:
    tree = Tree((0,), (10,), (-1,), (-2,), (-2.0, 1.0), (-0.5,))
    model = replace(random_model(1), features=("accept", "te"), trees=(tree,), base=0.0)
    small = [0] * len(FEATURES)
    assert model.reasons(small) == {"accept": -1.5}
    small[INDEX["accept"]] = 11
    assert model.reasons(small) == {"accept": 1.5}


def spoilt(change: Any) -> bytes:
    value = json.loads(random_content(7))
    change(value)
    return json.dumps(value).encode()


def set_(path: str, value: Any) -> Any:
    def change(found: Any) -> None:
        *steps, last = path.split(".")
        for step in steps:
            found = found[int(step) if step.isdigit() else step]
        found[int(last) if last.isdigit() else last] = value

    return change


REFUSED = {
    "a feature twice": lambda v: v["features"].__setitem__(0, v["features"][1]),
    "201 features": lambda v: v.__setitem__("features", [f"f{n}" for n in range(201)]),
    "65 features": lambda v: v.__setitem__("features", [f"f{n}" for n in range(65)]),
    "an unknown feature": set_("features.0", "moon-phase"),
    "features in another order": lambda v: v["features"].reverse(),
    "no feature": set_("features", []),
    "another schema": set_("schema", "0" * 64),
    "another kind": set_("kind", "something"),
    "a newer format": set_("format", 2),
    "a text for a number": set_("base", "0.5"),
    "a truth for a number": set_("trees.0.threshold", [True]),
    "a number that is none": set_("base", math.nan),
    "an infinite leaf": lambda v: v["trees"][0]["leaf"].__setitem__(0, math.inf),
    "a huge leaf": lambda v: v["trees"][0]["leaf"].__setitem__(0, 1e9),
    "no tree": set_("trees", []),
    "257 trees": lambda v: v.__setitem__("trees", v["trees"][:1] * 257),
    "a leaf too many": lambda v: v["trees"][0]["leaf"].append(0.0),
    "no golden vectors": set_("golden", []),
    "a golden vector that is none": set_("golden.0.vector", " "),
    "a golden score that does not come out": lambda v: v["golden"][0].__setitem__(
        "score", v["golden"][0]["score"] % 99 + 1
    ),
    "cuts that fall": lambda v: v["cuts"].reverse(),
    "97 cuts": lambda v: v["cuts"].pop(),
    "something more": set_("extra", 1),
    "something less": lambda v: v.pop("cuts"),
    "a wrong parent": set_("parent", "abc"),
    "a name for a path": set_("name", "../etc/passwd"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_spoilt_model_is_refused(what: str) -> None:
    with pytest.raises(RefusedError, match=r"The bot model is refused|does not know"):
        artifact.read(spoilt(REFUSED[what]))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"a":1,"a":2}',
        b"\xff\xfe",
        random_content(7)[:-100],
        random_content(7).decode().encode("utf-16"),
        random_content(7) * 2,
        b" " * (limits.BOT_MODEL_SIZE_BYTES_MAX + 1),
    ],
    ids=range(11),
)
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedError):
        artifact.read(content)


def test_a_tree_that_turns_in_a_circle_is_refused() -> None:
    tree = Tree((0, 0), (5, 5), (1, 0), (-1, -2), (0.0, 1.0, 2.0), (0.0, 0.0))
    with pytest.raises(RefusedError, match="leads nowhere"):
        artifact.write(replace(random_model(2), trees=(tree,)))


def test_a_model_that_says_the_same_of_everybody_is_refused() -> None:
    tree = Tree((), (), (), (), (0.0,), ())
    flat = replace(random_model(2), trees=(tree,), base=0.0)
    score = flat.score((0,) * len(FEATURES))
    golden = tuple(Golden(g.vector, score) for g in flat.golden)
    with pytest.raises(RefusedError, match="one score"):
        artifact.write(replace(flat, golden=golden))


def test_the_schema_digest_tells_order_and_names() -> None:
    assert schema_digest(["te", "accept"]) != schema_digest(["accept", "te"])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_changed_byte_is_refused_or_changes_no_golden_score(data: st.DataObject) -> None:
    content = bytearray(random_content(11))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    try:
        model = artifact.read(bytes(content))
    except RefusedError:
        return
    for golden in model.golden:
        codes = from_text(golden.vector)
        assert codes is not None
        assert model.score(codes) == golden.score


def test_what_the_site_file_was_checked_with_is_compiled_without_reading_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content, read, asked = random_content(4_711), artifact.read, list[bytes]()

    def counted(content: bytes) -> Model:
        asked.append(content)
        return read(content)

    monkeypatch.setattr(artifact, "read", counted)
    assert fault_of(content) is None
    assert artifact.remembered(content) == read(content)
    model = BotModel(artifact.digest(content), content)
    compile_edge(replace(build.edge(build.site("shop")), bot_model=model))
    assert asked == [content]
    for _ in range(2):  # a refusal is none to remember
        with pytest.raises(RefusedError):
            artifact.remembered(b"{}")
    assert asked == [content, b"{}", b"{}"]
