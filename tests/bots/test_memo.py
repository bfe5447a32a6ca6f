from typing import Any

from lua_machine import machine, module


def counting(*options: object) -> tuple[Any, list[str]]:
    asked: list[str] = []

    def read(text: str) -> int:
        asked.append(text)
        return len(text)

    return module(machine(), "memo").new(read, *options), asked


def test_a_text_is_read_once() -> None:
    memo, asked = counting(10)
    assert [memo("a"), memo("a"), memo("bb")] == [1, 1, 2]
    assert asked == ["a", "bb"]


def test_a_full_table_begins_anew() -> None:
    memo, asked = counting(2)
    for text in ("a", "b", "c", "a"):
        memo(text)
    assert asked == ["a", "b", "c", "a"]


def test_what_a_client_makes_long_is_not_kept() -> None:
    memo, asked = counting(10)
    memo("x" * 513)
    memo("x" * 513)
    assert len(asked) == 2


def test_the_text_of_a_policy_is_kept_however_long() -> None:
    # Read anew for each request it would cost a hundred times what the decision does.
    memo, asked = counting(10, float("inf"))
    memo("x" * 5_000)
    memo("x" * 5_000)
    assert len(asked) == 1
