"""A model may ask who somebody is only where people of several kinds were shown to it."""

from dataclasses import replace

import numpy as np
import pytest

from bot_models import random_model
from learn.test_split import make
from seawall.bots.features import FEATURES, INDEX
from seawall.bots.model import Model, Tree
from seawall.errors import UsageError
from seawall.learn import variety
from seawall.learn.rows import BOT, HUMAN, Rows

NAMES = tuple(feature.name for feature in FEATURES)


def _asks(name: str) -> Model:
    tree = Tree((0,), (2,), (-1,), (-2,), (0.5, -0.5), (0.0,))
    return replace(random_model(1), features=(name,), trees=(tree,))


def _rows(name: str, codes: list[int]) -> Rows:
    """People who show these codes of one feature, one after another, and bots with all codes."""
    rows = make({(HUMAN, "browser"): 100, (BOT, "library"): 100}, each=2)
    table = rows.codes.copy()
    people = np.flatnonzero(rows.human)
    table[:, INDEX[name]] = np.arange(len(rows)) % 9
    table[people, INDEX[name]] = [codes[n % len(codes)] for n in range(len(people))]
    return replace(rows, codes=table)


@pytest.mark.parametrize(
    ("codes", "passed"), [([3], False), ([3, 1], False), ([3, 1, 2], True), ([0, 3, 1], True)]
)
def test_people_of_one_system_are_not_all_people(codes: list[int], *, passed: bool) -> None:
    found = variety.check(_asks("agent-os"), _rows("agent-os", codes))
    assert found.passed is passed
    if not passed:
        assert f"agent-os ({len(codes)} of 3)" in found.words
        assert "--without identity" in found.words


def test_a_code_of_very_few_people_does_not_count() -> None:
    codes = [3] * 196 + [1, 1, 2, 2]
    assert not variety.check(_asks("agent-os"), _rows("agent-os", codes)).passed


def test_what_is_not_identity_may_be_alike() -> None:
    assert variety.check(_asks("fetch-coherence"), _rows("fetch-coherence", [2])).passed


def test_a_feature_that_no_tree_asks_for_does_not_matter() -> None:
    model = replace(_asks("te"), features=("te", "agent-os"))
    rows = _rows("agent-os", [3])
    rows.codes[:, INDEX["te"]] = np.arange(len(rows)) % 3
    assert variety.check(model, rows).passed


def test_nobody_is_no_variety() -> None:
    rows = make({(BOT, "library"): 5})
    assert not variety.check(_asks("agent-os"), rows).passed


def test_features_are_left_out_by_name_or_all_of_identity() -> None:
    assert variety.IDENTITY.keys() < set(NAMES)
    assert variety.without(NAMES, []) == NAMES
    assert "te" not in variety.without(NAMES, ["te"])
    left = variety.without(NAMES, ["identity"])
    assert set(left) == set(NAMES) - set(variety.IDENTITY)
    assert {"family-agreement", "generation-gap", "fetch-coherence", "assets-10m"} <= set(left)


def test_unknown_and_no_features_are_told() -> None:
    with pytest.raises(UsageError, match="no feature named 'height'"):
        variety.without(NAMES, ["height"])
    with pytest.raises(UsageError, match="No feature remains"):
        variety.without(("te",), ["te"])
