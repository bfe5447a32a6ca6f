"""How a comparison of a model with its shadow is drawn, and the line of status."""

import errno
import io
from pathlib import Path

import pytest
from rich.console import Console, RenderableType

from seawall.api.hand_views import BotModelView, FeedsView
from seawall.api.status_views import ShadowView
from seawall.cli import shadow as commands
from seawall.cli.target import Target
from seawall.console import hands, status
from seawall.console.output import Output
from seawall.console.shadow import report
from seawall.telemetry.shadow_report import (
    NO_SHADOW,
    Advice,
    Bin,
    FamilyShift,
    ShadowReport,
    ShadowState,
    Side,
)


def drawn(part: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=160, no_color=True)
    console.print(part)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # - a StringIO
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


COMPARED = ShadowReport(
    state=ShadowState.COMPARED,
    advice=Advice.LOOK,
    reasons=("firefox: scores move by -11.0 points on average, over 60 requests.",),
    model="aaaaaaaa",
    shadow="bbbbbbbb",
    records=2_500,
    others=7,
    faults=2,
    compared=2_400,
    clients=300,
    since="2026-11-28T10:00:00Z",
    until="2026-11-28T11:00:00Z",
    mean_points=1.5,
    psi=0.012,
    differences=(Bin(-98, -1, 0), Bin(0, 0, 2_000), Bin(1, 98, 400)),
    sides=(Side(30, 50, 61, 11, 4, 0, 0),),
    families=(FamilyShift("firefox", 60, -11.0, 9),),
)


def test_a_comparison_is_advice_with_what_it_rests_on() -> None:
    text = drawn(report(COMPARED))
    for line in (
        "look before you promote it shadow bbbbbbbb next to model aaaaaaaa",
        "firefox: scores move by -11.0 points on average, over 60 requests.",
        "compared 2,400 requests of 300 clients",
        "from 2026-11-28T10:00:00Z to 2026-11-28T11:00:00Z",
        "left out 2 that the shadow could not score, 7 of other models",
        "differ by 1.50 points on average, stability index 0.012",
        "30 50 61 11 of 4 clients none",
        "the same 2,000 ##############################",
        "-98 to -1 0",
        "firefox 60 -11.0 9",
    ):
        assert line in text.splitlines(), text


@pytest.mark.parametrize("advice", Advice)
def test_every_advice_has_words(advice: Advice) -> None:
    made = ShadowReport(ShadowState.TOO_LITTLE, advice, ("because",), "a", "b")
    assert "because" in drawn(report(made))


def test_without_a_shadow_that_is_said() -> None:
    assert drawn(report(NO_SHADOW)).strip() == "There is no shadow model."


def test_foreign_words_cannot_steer_a_terminal() -> None:
    hostile = ShadowReport(
        ShadowState.TOO_LITTLE, Advice.WAIT, (), "a", "b", since="\x1b[2J", until="\x07"
    )
    text = drawn(report(hostile))
    assert not {"\x1b", "\x07"} & set(text)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (ShadowView("0123abcd", "next", 400, 0.985, 0), "next (0123abcd); agrees on 98 %"),
        (
            ShadowView("0123abcd", "", 0, None, 3),
            "0123abcd; no request scored by both yet, 3 faults",
        ),
        (ShadowView("0123abcd", "", None, None, 0), "0123abcd; no node reports how it compares"),
    ],
)
def test_status_tells_of_a_shadow_in_one_line(view: ShadowView, words: str) -> None:
    assert words in status._shadow(view).plain


def test_the_list_of_feeds_tells_the_shadow() -> None:
    model, shadow = BotModelView("aaaaaaaa", "starter"), BotModelView("bbbbbbbb", "pushed")
    assert "Shadow, which decides nothing: bbbbbbbb, pushed" in drawn(
        hands.feeds(FeedsView((), model, shadow), 0.0)
    )
    assert "Shadow" not in drawn(hands.feeds(FeedsView((), model), 0.0))


def test_records_that_may_not_be_read_are_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "access.ndjson").write_text("{}\n")

    def closed(path: Path, *_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(PermissionError, match=r"access\.ndjson"):
        commands.report(Output(json_format=True), Target(tmp_path), [tmp_path])
