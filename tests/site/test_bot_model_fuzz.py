"""Mutated models: refused by name or the same to every proof, and never anything else."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from bot_models import random_content
from seawall.bots import artifact
from seawall.bots.features import from_text
from seawall.errors import RefusedError

SOUND = [random_content(seed, trees=6, nodes=7) for seed in range(4)]
PER_KIND = 500
HOSTILE: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 10**30, -(10**30), 0.5, 1e308, "", "x" * 300, "\x00", "é", [], {},
    [[]], {"a": 1}, "NaN", "1", [1e400], 2**63, "__proto__", "\ud800",
)  # fmt: skip


def flipped(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def spliced(content: bytes, chance: random.Random) -> bytes:
    """Pieces left out, doubled, or put elsewhere."""
    a, b = sorted(chance.randrange(len(content)) for _ in range(2))
    kinds = (content[:a] + content[b:], content[:b] + content[a:], content[:a], content[a:])
    return chance.choice(kinds)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    return [path, *(place for key in keys for place in _places(value[key], (*path, key)))]


def _at(file: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        file = file[key]
    return file


def retyped(content: bytes, chance: random.Random) -> bytes:
    """One value of the file becomes something else."""
    file = json.loads(content)
    path = chance.choice(_places(file)[1:])
    _at(file, path[:-1])[path[-1]] = chance.choice(HOSTILE)
    return json.dumps(file).encode()


def renumbered(content: bytes, chance: random.Random) -> bytes:
    """One number moves a little or far: the file stays well-formed."""
    file = json.loads(content)
    numbers = [p for p in _places(file) if type(_at(file, p)) in (int, float)]
    path = chance.choice(numbers)
    was = _at(file, path)
    _at(file, path[:-1])[path[-1]] = chance.choice(
        (was + 1, was - 1, -was, was * 2, 0, 98, was + chance.uniform(-3, 3))
    )
    return json.dumps(file).encode()


def restructured(content: bytes, chance: random.Random) -> bytes:
    """Lists and keys doubled, dropped or put in another order."""
    file = json.loads(content)
    path = chance.choice([p for p in _places(file) if isinstance(_at(file, p), list | dict)])
    part = _at(file, path)
    if isinstance(part, dict):
        if part:
            part.pop(chance.choice(list(part)))
    elif part:
        kinds: tuple[Callable[[], None], ...] = (
            lambda: part.append(part[0]),
            lambda: chance.shuffle(part),
            lambda: part.pop() and None,
            lambda: part.extend(part[:]),
            part.clear,
        )
        chance.choice(kinds)()
    return json.dumps(file).encode()


@pytest.mark.fuzz
@pytest.mark.parametrize("mutate", [flipped, spliced, retyped, renumbered, restructured])
def test_a_mutated_model_is_refused_or_gives_the_promised_scores(
    mutate: Callable[[bytes, random.Random], bytes],
) -> None:
    chance = random.Random(mutate.__name__)
    refusals: list[RefusedError] = []
    for number in range(PER_KIND):
        sound = SOUND[number % len(SOUND)]
        try:
            model = artifact.read(mutate(sound, chance))
        except RefusedError as error:
            refusals.append(error)
            continue
        promised = artifact.read(sound).golden
        for golden in promised if model.golden[: len(promised)] == promised else model.golden:
            codes = from_text(golden.vector)
            assert codes is not None
            assert model.score(codes) == golden.score
    assert all(error.message and error.remedy for error in refusals)
    assert len(refusals) > PER_KIND / 3


@pytest.mark.parametrize("depth", [100, 10_000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(RefusedError):
        artifact.read(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize(
    "content", [b"", b"null", b"\xff\xfe", b"{}", b"{" * 50, b"1e999", b'"', b"\x00" * 1000]
)
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        artifact.read(content)
    assert refused.value.remedy
