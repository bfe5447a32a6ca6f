"""The shadow in the filter: whatever is wrong with it stays with it."""

from typing import Any

import pytest

from lua_machine import machine, module

SPEC = '{ id = "0123abcd", sides = "2 30" }'


def beside(model: str) -> tuple[Any, list[str]]:
    """What the filter asks, with a stand-in for the module `model`; and what was counted."""
    counted: list[str] = []
    runtime = machine()
    made = module(runtime, "shadow").new(
        runtime.execute(f"return {model}"), runtime.execute(f"return {SPEC}"), counted.append
    )
    return made, counted


def giving(score: object) -> str:
    scorer = f"{{ score = function(_, vector) return {score} end }}"
    return f"{{ new = function() return {scorer} end }}"


@pytest.mark.parametrize(
    ("score", "own", "counted"),
    [
        (50, 31, "agree"), (50, 30, "disagree"), (30, 31, "disagree"), (30, 3, "agree"),
        (3, 2, "disagree"), (1, 2, "agree"), (99, 1, "disagree"),
    ],
)  # fmt: skip
def test_its_score_is_told_and_its_side_is_counted(score: int, own: int, counted: str) -> None:
    ask, names = beside(giving(own))
    assert ask("vector", score) == f" {own}:0123abcd"
    assert names == [f"bots_shadow_{counted}"]


def test_it_scores_the_vector_that_the_model_scored() -> None:
    ask, _ = beside(giving("#vector"))
    assert ask("x" * 7, 50) == " 7:0123abcd"


def test_what_the_model_did_not_score_is_not_asked() -> None:
    ask, names = beside(giving("error('asked')"))
    assert ask("vector", None) == " -:0123abcd"
    assert names == []


@pytest.mark.parametrize(
    "model",
    [
        giving("error('on purpose')"),
        giving("nil + 1"),
        "{ new = function() return nil, 'a golden vector scores 3, not 4' end }",
        "{ new = function() error('on purpose') end }",
    ],
)
def test_a_fault_is_counted_told_and_goes_no_further(model: str) -> None:
    ask, names = beside(model)
    assert [ask("vector", 50), ask("vector", 50)] == [" -:0123abcd"] * 2
    assert names == ["bots_shadow_errors"] * 2
