"""The exported model gives the very bits of LightGBM, and foreign boosters are refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot_models import random_model
from lua_machine import machine, module
from seawall.bots import artifact
from seawall.bots.features import CODE_MAX, FEATURES, to_text
from seawall.bots.model import Golden, Model
from seawall.bots.script import model_config
from seawall.errors import InternalError
from seawall.learn import export, scoring, train

lightgbm = pytest.importorskip("lightgbm", exc_type=OSError)  # its library of the system

NAMES = tuple(feature.name for feature in FEATURES)


def _data(seed: int, rows: int, features: int) -> tuple[Any, Any, Any]:
    chance = np.random.default_rng(seed)
    codes = chance.choice(np.array([0, 0, 1, 2, 3, 11, 45, 90]), size=(rows, features))
    codes = np.where(chance.random(codes.shape) < 0.3, chance.integers(0, 91, codes.shape), codes)
    human = (codes[:, 0] > 2) ^ (codes[:, 1 % features] > 40) ^ (chance.random(rows) < 0.1)
    return codes.astype(np.uint8), human, chance.random(rows) + 0.1


def _model(booster: Any, names: tuple[str, ...]) -> Model:
    bare = random_model(1)
    trees = export.trees(booster.model_to_string())
    return replace(bare, features=names, trees=trees, base=0.0)


def _trained(seed: int, rows: int, features: int, rounds: int) -> tuple[Any, Model]:
    codes, human, weight = _data(seed, rows, features)
    names = NAMES[:features]
    options = train.parameters(names, rows, seed=seed, threads=1) | {"min_data_in_leaf": 3}
    data = lightgbm.Dataset(codes.astype(np.float64), human, weight=weight, params=options)
    booster = lightgbm.train(options, data, num_boost_round=rounds)
    return booster, _model(booster, names)


def _vectors(seed: int, rows: int) -> Any:
    chance = np.random.default_rng(seed + 1)
    return chance.integers(0, CODE_MAX + 1, size=(rows, len(FEATURES))).astype(np.uint8)


def test_ten_thousand_random_vectors_have_the_same_bits() -> None:
    booster, model = _trained(7, 4000, len(NAMES), 100)
    vectors = _vectors(7, 10_000)
    expected = booster.predict(vectors.astype(np.float64), raw_score=True, num_threads=1)
    assert len(model.trees) == 100
    assert expected.tobytes() == scoring.margins(model, vectors).tobytes()
    for row in range(0, 10_000, 20):
        codes = tuple(int(code) for code in vectors[row])
        assert model.margin(codes) == expected[row]
        assert model.score(codes) == scoring.scores(model, vectors[row : row + 1])[0]


def test_luajit_gives_the_bits_of_lightgbm() -> None:
    booster, bare = _trained(11, 3000, len(NAMES), 60)
    vectors = _vectors(11, 10_000)
    proofs = [tuple(int(code) for code in vector) for vector in vectors[:16]]
    golden = tuple(Golden(to_text(codes), bare.score(codes)) for codes in proofs)
    model = artifact.read(artifact.write(replace(bare, golden=golden)))
    runtime = machine()
    config = runtime.table_from(dict(model_config(model, "ab" * 32)))
    lua = module(runtime, "model").new(config)
    assert not isinstance(lua, tuple), lua
    expected = booster.predict(vectors.astype(np.float64), raw_score=True, num_threads=1).tolist()
    scores = scoring.scores(model, vectors).tolist()
    for vector, margin, score in zip(vectors, expected, scores, strict=True):
        text = to_text(vector.tolist())
        assert lua.margin(lua, text) == margin
        assert lua.score(lua, text) == score


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(20, 900),
    features=st.integers(2, len(NAMES)),
    rounds=st.integers(1, 12),
)
def test_any_size_has_the_same_bits(seed: int, rows: int, features: int, rounds: int) -> None:
    booster, model = _trained(seed, rows, features, rounds)
    vectors = _vectors(seed, 300)
    expected = booster.predict(
        vectors[:, :features].astype(np.float64), raw_score=True, num_threads=1
    )
    assert expected.tobytes() == scoring.margins(model, vectors).tobytes()


def test_many_at_once_are_scored_as_one_by_one() -> None:
    for seed in range(20):
        model = random_model(seed)
        vectors = _vectors(seed, 200)
        one_by_one = [model.score(tuple(int(code) for code in vector)) for vector in vectors]
        assert scoring.scores(model, vectors).tolist() == one_by_one


def test_importance_is_the_mean_of_the_reasons() -> None:
    model = random_model(3)
    vectors = _vectors(3, 50)
    total = dict.fromkeys(model.features, 0.0)
    for vector in vectors:
        for name, moved in model.reasons(tuple(int(code) for code in vector)).items():
            total[name] += abs(moved) / len(vectors)
    found = scoring.importance(model, vectors)
    assert found == pytest.approx(total)
    assert list(found.values()) == sorted(found.values(), reverse=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("num_cat=0", "num_cat=1"),
        ("decision_type=2", "decision_type=10"),
        ("decision_type=2", "decision_type=1"),
        ("is_linear=0", "is_linear=1"),
        ("threshold=", "threshold=-3.5 "),
        ("threshold=", "threshold=90.5 "),
        ("num_leaves=", "num_leaves=1"),
        ("\nend of trees", "\n"),
        ("\nTree=", "\nShrub="),
    ],
)
def test_foreign_boosters_are_refused(old: str, new: str) -> None:
    booster, _ = _trained(1, 400, 4, 2)
    text = booster.model_to_string().replace(old, new)
    with pytest.raises(InternalError):
        export.trees(text)
