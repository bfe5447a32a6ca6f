"""Never random rows: whole families, and clients that came later."""

from typing import Any

import numpy as np
import pytest

from seawall.bots.features import FEATURES
from seawall.errors import RefusedError
from seawall.learn.rows import BOT, CLASSES, HUMAN, TOOL, Rows, families_of, weights
from seawall.learn.split import split


def make(families: dict[tuple[str, str], int], clients: int = 10, each: int = 10) -> Rows:
    """Rows of families `(class, name)` with so many clients, one after another."""
    label, family, client, time_s, ordinal = [], [], [], [], []
    number = 0
    for (kind, name), count in families.items():
        for of in range(count or clients):
            number += 1
            for turn in range(each):
                label.append(kind)
                family.append(name)
                client.append(number)
                time_s.append(1e9 + of * 100 + turn)
                ordinal.append(turn + 1)
    names, places = families_of(label, family)
    size = len(label)
    codes = np.random.default_rng(0).integers(0, 9, (size, len(FEATURES))).astype(np.uint8)
    return Rows(
        features=tuple(feature.name for feature in FEATURES),
        codes=codes,
        label=np.array([CLASSES.index(each_) for each_ in label]),
        family=places,
        families=names,
        client=np.array(client),
        ordinal=np.array(ordinal),
        time_s=np.array(time_s),
        trust=np.ones(size),
    )


def _many(humans: int = 6, bots: int = 8) -> dict[tuple[str, str], int]:
    found = {(HUMAN, f"browser-{n}"): 0 for n in range(humans)}
    return found | {(BOT, f"library-{n}"): 0 for n in range(bots)}


def _families(rows: Rows, flags: Any) -> set[int]:
    return set(rows.family[flags].tolist())


@pytest.mark.parametrize("seed", range(8))
def test_no_row_is_in_two_parts_and_none_is_lost(seed: int) -> None:
    rows = make(_many())
    found = split(rows, seed)
    together = sum(
        part.astype(int) for part in (found.train, found.tune, found.unseen, found.later)
    )
    assert (together == 1).all()
    assert not found.notes


@pytest.mark.parametrize("seed", range(8))
def test_unseen_families_are_in_no_other_part(seed: int) -> None:
    rows = make(_many())
    found = split(rows, seed)
    unseen = _families(rows, found.unseen)
    assert unseen
    assert not unseen & _families(rows, found.train | found.tune | found.later)
    for of in (rows.human, ~rows.human):
        assert (found.unseen & of).any()


def test_no_client_is_in_two_parts_and_tested_ones_came_later() -> None:
    rows = make(_many())
    found = split(rows, 3)
    parts = [found.train, found.tune, found.unseen, found.later]
    for one in range(4):
        for other in range(one):
            assert not set(rows.client[parts[one]]) & set(rows.client[parts[other]])
    for family in _families(rows, found.later):
        own = rows.family == family
        assert rows.time_s[own & found.train].max() < rows.time_s[own & found.later].min()


def test_the_seed_and_not_the_order_of_rows_chooses() -> None:
    rows = make(_many())
    mixed = np.random.default_rng(1).permutation(len(rows))
    one, other = split(rows, 5), split(rows.take(mixed), 5)
    assert (one.train[mixed] == other.train).all()
    assert (one.unseen[mixed] == other.unseen).all()
    assert any((split(rows, seed).unseen != one.unseen).any() for seed in range(6, 12))


@pytest.mark.parametrize("seed", range(8))
def test_kin_are_held_out_together(seed: int) -> None:
    kin = {(BOT, f"library-{n} {dress}"): 0 for n in range(8) for dress in ("slow", "spoofing")}
    rows = make(_many() | kin, clients=5)
    found = split(rows, seed)
    unseen = [rows.families[f] for f in _families(rows, found.unseen)]
    words = [name.split()[0] for name in unseen if name.startswith("library")]
    assert words
    assert all(words.count(word) == 3 for word in words)


def test_kin_of_tools_are_told_without_their_class() -> None:
    families = {(TOOL, f"reader-{n}"): 0 for n in range(6)} | {(TOOL, "reader-1 slow"): 0}
    for seed in range(6):
        found = split(make(_many() | families), seed)
        rows = make(_many() | families)
        unseen = {rows.families[f] for f in _families(rows, found.unseen)}
        assert ("reader-1 (tool)" in unseen) == ("reader-1 slow (tool)" in unseen)


@pytest.mark.parametrize("seed", range(8))
def test_kin_of_two_classes_are_held_out_together(seed: int) -> None:
    """A tool and a bot that shake hands alike: whoever learned one has seen the other."""
    tools = {(TOOL, f"library-{n}"): 0 for n in range(8)}
    bots = {(BOT, f"library-{n} spoofing"): 0 for n in range(8)} | {(BOT, "library-3"): 0}
    humans = {(HUMAN, f"browser-{n}"): 0 for n in range(6)}
    rows = make(humans | tools | bots, clients=5)
    found = split(rows, seed)
    unseen = {rows.families[f] for f in _families(rows, found.unseen)}
    seen = {rows.families[f] for f in _families(rows, found.train | found.tune)}
    held = {name.removesuffix(" (tool)") for name in unseen if name.startswith("library")}
    assert {name.removesuffix(" spoofing") for name in held} <= held
    assert not {name.split()[0] for name in held} & {name.split()[0] for name in seen}
    assert any(name.endswith("spoofing") for name in unseen)


def test_few_families_are_not_held_out_and_it_is_said() -> None:
    rows = make(_many(humans=2), each=20)
    found = split(rows, 1)
    assert not (found.unseen & rows.human).any()
    assert (found.later & rows.human).any()
    assert found.notes == (
        "human: 2 families, of which none is held out (from 5 on); tested on later clients only.",
    )


def test_a_family_with_few_clients_is_trained_on_whole() -> None:
    families = _many(humans=2) | {(HUMAN, "rare"): 3}
    rows = make(families, each=20)
    found = split(rows, 1)
    rare = rows.family == rows.families.index("rare (human)")
    assert found.train[rare].all()


@pytest.mark.parametrize(
    "families",
    [
        {},
        {(HUMAN, "browser"): 0},
        {(BOT, "library"): 0},
        {(HUMAN, "browser"): 2, (BOT, "library"): 2},
    ],
)
def test_too_little_is_refused_with_numbers(families: dict[tuple[str, str], int]) -> None:
    with pytest.raises(RefusedError, match=r"\d+ rows of (people|programs) for training"):
        split(make(families, each=5), 1)


def test_no_family_and_no_side_rules_the_weights() -> None:
    families = {(HUMAN, "browser"): 5, (BOT, "a"): 5, (BOT, "b"): 5, (BOT, "loud"): 500}
    rows = make(families)
    found = weights(rows)
    assert found[rows.human].sum() == pytest.approx(found[~rows.human].sum())
    loud = found[rows.family == rows.families.index("loud")].sum()
    assert loud == pytest.approx(2 * found[rows.family == rows.families.index("a")].sum())
    assert len(weights(rows.take(np.zeros(len(rows), dtype=bool)))) == 0


def test_one_name_of_two_classes_is_two_families() -> None:
    names, places = families_of(["bot", "tool", "bot"], ["curl", "curl", "curl"])
    assert names == ("curl", "curl (tool)")
    assert places.tolist() == [0, 1, 0]
