"""On the day after a browser's release nobody is a program for having it."""

from dataclasses import replace

import numpy as np
import pytest

from bot_models import random_model
from learn.test_split import make
from machine import needs_lightgbm
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
    codes[:, INDEX["cookie"]] = np.where(rows.human ^ noise, 1, 0)
    return replace(rows, codes=codes)


PLAIN = [stranger for stranger in strangers.ALL if stranger.parts == 1]


@pytest.mark.parametrize("stranger", PLAIN, ids=lambda s: s.name)
def test_a_stranger_differs_in_what_it_says_and_nothing_else(stranger: strangers.Stranger) -> None:
    rows = _rows()
    before = rows.codes.copy()
    found = stranger.codes(rows.codes)
    assert (rows.codes == before).all()
    for name, place in INDEX.items():
        if name not in stranger.changes:
            assert (found[:, place] == before[:, place]).all()
        else:
            assert set(found[:, place].tolist()) <= {stranger.changes[name], 0}
    assert 0 < stranger.weight < 1


def test_a_share_of_nothing_stays_absent() -> None:
    elsewhere = next(s for s in strangers.ALL if "assets-10s" in s.changes)
    rows = _rows()
    rows.codes[:, INDEX["assets-10s"]] = np.arange(len(rows)) % 2 * 9
    found = elsewhere.codes(rows.codes)[:, INDEX["assets-10s"]]
    assert (found == np.arange(len(rows)) % 2).all()


def test_larger_pages_make_those_ask_more_who_load_them() -> None:
    larger = next(s for s in strangers.ALL if s.parts == 10)
    rows = _rows().take(np.arange(3))
    requests, paths, assets = (INDEX[f"{n}-60s"] for n in ("requests", "paths", "assets"))
    rows.codes[:, [requests, paths]] = 9, 5
    rows.codes[:, assets] = 0, 1, 6  # no past, none of what a page loads, half
    found = larger.codes(rows.codes)
    own = [requests, paths, assets]
    assert found[:2, own].tolist() == rows.codes[:2, own].tolist()
    assert found[2, assets] == 10
    assert found[2, requests] - 9 == found[2, paths] - 5 == round(4 * np.log2(5.5))


def test_every_row_comes_again_as_every_stranger_with_its_label_and_less_trust() -> None:
    rows = _rows()
    found = strangers.estranged(rows)
    assert len(found) == len(strangers.ALL) * len(rows)
    assert found.human.mean() == rows.human.mean()
    assert found.trust.max() < 1


@needs_lightgbm
def test_a_trained_model_does_not_punish_an_unknown_handshake() -> None:
    rows = _rows()
    parts = split.split(rows, 1)
    model = train.train(rows, parts, train.Naming("x", "2026-11-28"), seed=1, threads=1)
    found = strangers.check(model, rows.take(parts.test), 2)
    assert found.passed, found.words


def test_a_model_that_does_is_refused() -> None:
    tree = Tree((0,), (1,), (-1,), (-2,), (-5.0, 5.0), (0.0,))
    cuts = tuple(float(n) / 20 for n in range(-49, 49))
    model = replace(random_model(1), features=("tls-known",), base=0.0, trees=(tree,), cuts=cuts)
    found = strangers.check(model, _rows(), 20)
    assert not found.passed
    assert "up to score 0 " in found.words
    assert "above it a browser that no table knows" in found.words


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
