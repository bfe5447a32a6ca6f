"""On the day after a browser's release nobody is a program for having it."""

from dataclasses import replace

import numpy as np
import pytest

from bot_models import random_model
from learn.test_split import make
from seawall.bots.features import INDEX
from seawall.bots.model import Tree
from seawall.learn import split, strangers, train
from seawall.learn.rows import BOT, HUMAN, Rows, both

KNOWN, GAP = INDEX["tls-known"], INDEX["generation-gap"]


def _rows() -> Rows:
    """People with known handshakes, programs without; another feature tells them apart as well."""
    families = {(HUMAN, f"browser-{n}"): 0 for n in range(6)}
    rows = make(families | {(BOT, f"library-{n}"): 0 for n in range(6)})
    chance = np.random.default_rng(1)
    codes = rows.codes.copy()
    codes[:, KNOWN] = np.where(rows.human, 3, 1)
    codes[:, GAP] = np.where(rows.human, 45, 0)
    noise = chance.random(len(rows)) < 0.05
    codes[:, INDEX["fetch-coherence"]] = np.where(rows.human ^ noise, 2, 1)
    return replace(rows, codes=codes)


def test_what_the_table_tells_is_erased_and_nothing_else() -> None:
    rows = _rows()
    found = strangers.estranged(rows)
    for name, code in strangers.ERASED.items():
        assert set(found.codes[:, INDEX[name]].tolist()) == {code}
    others = [i for name, i in INDEX.items() if name not in strangers.ERASED]
    assert (found.codes[:, others] == rows.codes[:, others]).all()
    assert rows.codes[:, KNOWN].max() == 3


def test_who_shook_no_hands_has_nothing_to_erase() -> None:
    rows = _rows()
    rows.codes[:, KNOWN] = 0
    assert (strangers.estranged(rows).codes == rows.codes).all()


def test_a_trained_model_does_not_punish_an_unknown_handshake() -> None:
    rows = _rows()
    parts = split.split(rows, 1)
    model = train.train(rows, parts, train.Naming("x", "2026-11-28"), seed=1, threads=1)
    found = strangers.check(model, rows.take(parts.test), 5)
    assert found.passed, found.words
    assert found.new == 0.0


def test_a_model_that_does_is_refused() -> None:
    tree = Tree((0,), (1,), (-1,), (-2,), (-5.0, 5.0), (0.0,))
    cuts = tuple(float(n) / 20 for n in range(-49, 49))
    model = replace(random_model(1), features=("tls-known",), base=0.0, trees=(tree,), cuts=cuts)
    found = strangers.check(model, _rows(), 20)
    assert not found.passed
    assert found.new == 1.0
    assert "600 of 600 human requests" in found.words


def test_nobody_is_no_pass() -> None:
    rows = _rows()
    assert not strangers.check(random_model(1), rows.take(~rows.human), 20).passed


@pytest.mark.parametrize("count", [0, 7])
def test_two_sets_of_rows_are_one(count: int) -> None:
    rows = _rows()
    some = rows.take(np.arange(count))
    found = both(rows, some)
    assert len(found) == len(rows) + count
    assert (found.codes[len(rows) :] == some.codes).all()
    assert len(found.trust) == len(found.ordinal) == len(found)
