"""What is remembered of compiled sites and of the words of site files is bounded."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from compiler.build import edge, route, site
from seawall.compiler import hosts
from seawall.compiler.compile import compile_edge
from seawall.compiler.remember import Remembered
from seawall.model import FixedResponse, PathExact
from site_text import load_text


def test_equal_arguments_are_worked_out_once_while_there_is_room() -> None:
    asked: list[tuple[int, bool]] = []

    def text(size: int, *, loud: bool = False) -> bytes:
        asked.append((size, loud))
        return b"x" * size

    remembered = Remembered(text, count_max=3, size_bytes_max=100)
    assert remembered(40) == remembered(40) == b"x" * 40
    assert remembered(40, loud=True) == b"x" * 40
    assert asked == [(40, False), (40, True)]
    remembered(30)  # no room for it beside the others
    assert [remembered(size) for size in (30, 40)] == [b"x" * 30, b"x" * 40]
    assert asked[2:] == [(30, False), (40, False)]
    remembered(101)
    remembered(101)
    assert asked[4:] == [(101, False), (101, False)]
    for size in (1, 2, 3):
        remembered(size)
    assert len(asked) == 9
    remembered.cache_clear()
    remembered(3)
    assert len(asked) == 10


def test_nobody_looks_into_the_very_object_that_came_before() -> None:
    looked: list[str] = []

    @dataclass(frozen=True)
    class Word:
        text: str

        def __hash__(self) -> int:
            looked.append(self.text)
            return hash(self.text)

    def text(word: Word, more: str, *, loud: bool) -> bytes:
        return f"{word.text}{more}{'!' if loud else ''}".encode()

    remembered = Remembered(text, count_max=2, size_bytes_max=9)
    one, equal, other = Word("a"), Word("a"), Word("b")
    for word, more, loud, hashed in (
        *((one, "1", False, True), (one, "1", False, False), (one, "2", False, True)),
        *((one, "1", False, True), (equal, "1", False, True), (equal, "1", False, False)),
        *((one, "1", False, True), (one, "1", True, True), (one, "1", True, False)),
        *((other, "1", False, True), (other, "1", False, False)),
    ):
        looked.clear()
        assert remembered(word, more, loud=loud) == text(word, more, loud=loud)
        assert bool(looked) is hashed, (word, more, loud)


def test_sites_that_are_compared_again_and_again_fill_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosts.host, "_size_bytes_max", 500_000)
    hosts.host.cache_clear()

    def compiled(number: int) -> int:
        answer = FixedResponse(200, f"{number}" + "x" * 60_000)
        compile_edge(edge(site("shop", route("shop/a", PathExact("/a"), answer))))
        return tracemalloc.get_traced_memory()[0]

    assert _growth(compiled) < 1_500_000


@pytest.mark.parametrize("key", ["contains", "regex"])
def test_long_words_of_files_that_are_checked_fill_no_memory(key: str) -> None:
    def checked(number: int) -> int:
        condition = {"x-a": {key: f"{number}" + "x" * 60_000}}
        routes = [{"name": "a", "headers": condition}]
        one = {"hosts": ["shop.test"], "origin": "http://10.0.0.1", "routes": routes}
        file = {"version": 1, "listen": {"http": "127.0.0.1:1"}, "sites": {"shop": one}}
        load_text(json.dumps(file))
        return tracemalloc.get_traced_memory()[0]

    assert _growth(checked) < 500_000


def _growth(once: Callable[[int], int]) -> int:
    """How much more memory is held after 50 times than after the first."""
    tracemalloc.start()
    try:
        first, *_, last = (once(number) for number in range(50))
    finally:
        tracemalloc.stop()
    return last - first
