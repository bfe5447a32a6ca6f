"""What operators see of hands on the wheel: every state in words, nothing that a terminal obeys."""

from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from seawall.api.hand_views import (
    BotModelView,
    FeatureView,
    FeedsView,
    FeedView,
    QuarantinedView,
    QuarantineView,
    SwitchesView,
    SwitchView,
    WaitingFeedView,
)
from seawall.api.rollout_views import (
    FreezeView,
    PassView,
    RolloutEventView,
    RolloutHistoryView,
    RolloutNodeView,
    RolloutsView,
    RolloutView,
)
from seawall.console import hands

NOW_S = 1_800_000_000.0
SWITCH = SwitchView("retries", "shop", NOW_S + 90, 90.0, "a storm", "ann", "No retry.", "")
GOING = RolloutView(
    number=4, release="r12", before="r11", speed="config", stage="canary", actor="ann",
    reason="longer timeouts", wave=1, waves=2, step=2, steps=4, share_permille=50,
    started_s=NOW_S - 40, step_started_s=NOW_S - 10, deadline_s=NOW_S + 600,
    verdict="not enough yet: 120 requests of the candidate, 2,300 of stable", held="",
    paused_by="", straight="",
    passed=(PassView(1, 0, "tasted", "5 golden requests as they should be", NOW_S - 35),),
    nodes=(RolloutNodeView("local", True, "member", "r11", 9, 50, "steered", ""),),  # noqa: FBT003 - a view
    ended_s=None, outcome="",
)  # fmt: skip


def _drawn(part: RenderableType) -> str:
    console = Console(width=200, force_terminal=False, no_color=True, record=True)
    with console.capture() as captured:
        console.print(part)
    return captured.get()


def test_a_running_rollout_says_step_share_verdict_and_nodes() -> None:
    text = _drawn(hands.rollout(GOING, NOW_S))
    for words in (
        "r12 canary",
        "wave 1 of 2, step 2 of 4, 5 % of new connections",
        "120 requests of the candidate",
        "tasted, 5 golden requests",
        "local  member, serves r11, steered, 5 %",
        "longer timeouts",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"held": "too few requests"}, "`seawall resume` continues it"),
        ({"paused_by": "ben"}, "by ben"),
        ({"straight": "break-glass"}, "skipped: break-glass"),
        ({"step": 0, "share_permille": 0, "stage": "tasting"}, "wave 1 of 2, taste"),
        ({"stage": "rolled-back", "ended_s": NOW_S, "outcome": "5xx"}, "5xx after 40 s"),
    ],
)
def test_every_state_of_a_rollout_has_words(change: dict[str, object], words: str) -> None:
    assert words in _drawn(hands.rollout(replace(GOING, **change), NOW_S))  # type: ignore[arg-type] # - one field


def test_words_of_a_newer_control_are_shown_as_they_are() -> None:
    model = BotModelView("0a1b", "mirrored")
    assert "Bot model: 0a1b, mirrored" in _drawn(hands.feeds(FeedsView((), model), NOW_S))


def test_what_goes_on_names_the_freeze_and_what_waits() -> None:
    frozen = FreezeView("seawall itself", "errors everywhere", NOW_S - 60)
    view = RolloutsView("r11", frozen, GOING, (replace(GOING, release="r13", speed="feed"),))
    text = _drawn(hands.rollouts(view, NOW_S))
    assert "frozen  by seawall itself, 60 s ago: errors everywhere" in text
    assert "r13 is waiting" in text
    tried = RolloutsView("r11", None, None, (), gate="ann applies a site file")
    text = _drawn(hands.rollouts(tried, NOW_S))
    assert "ann applies a site file; that is still in the gate." in text
    assert "No release is on its way" not in text
    quiet = _drawn(hands.rollouts(RolloutsView("r11", None, None, ()), NOW_S))
    assert "No release is on its way; r11 is the target." in quiet


def test_a_story_lists_every_event() -> None:
    event = RolloutEventView(NOW_S, 4, "r12", "passed", "the taste was passed")
    assert "the taste was passed" in _drawn(
        hands.story(RolloutHistoryView((GOING,), (event,)), NOW_S)
    )
    assert "never rolled out" in _drawn(hands.story(RolloutHistoryView((), ()), NOW_S))


def test_switches_feeds_and_quarantine_are_tables_and_say_when_they_are_empty() -> None:
    feature = FeatureView("retries", "No retry.", "a hole", by_site=True)
    text = _drawn(hands.switches(SwitchesView((SWITCH,), (feature,))))
    assert "a storm" in text
    assert "Lowers protection: a hole" in text
    assert "No kill switch is on." in _drawn(hands.switches(SwitchesView((), (feature,))))
    coming = SwitchesView((), (feature,), coming="ann applies kill switches")
    assert "not here yet: ann applies kill switches." in _drawn(hands.switches(coming))
    feeds = FeedsView((FeedView("bad", "", 3, 40), FeedView("new", "", None, None)))
    assert "nothing has been pushed yet" in _drawn(hands.feeds(feeds, 0.0))
    assert "no list" in _drawn(hands.feeds(FeedsView(()), 0.0))
    push = WaitingFeedView("bad", 1_234, "ann", NOW_S - 60, "Releases are frozen by bob.")
    waits = "bad: 1,234 bytes pushed by ann 60 s ago are waiting: Releases are frozen by bob."
    for lists in (feeds.feeds, ()):
        told = _drawn(hands.feeds(FeedsView(lists, waiting=(push,)), NOW_S))
        assert waits in " ".join(told.split())
    held = QuarantinedView("ab" * 32, "it answered 500", "judge", NOW_S - 5, ("r9",))
    assert "abababababab" in _drawn(hands.quarantine(QuarantineView((held,)), NOW_S))
    assert "Nothing is quarantined." in _drawn(hands.quarantine(QuarantineView(()), NOW_S))


def test_foreign_words_cannot_steer_a_terminal() -> None:
    hostile = "\x1b[2J\x07"
    drawn = (
        hands.rollout(replace(GOING, reason=hostile, verdict=hostile, held=hostile), NOW_S),
        hands.switches(SwitchesView((replace(SWITCH, reason=hostile),), ())),
        hands.rollouts(RolloutsView("r1", FreezeView(hostile, hostile, NOW_S), None, ()), NOW_S),
    )
    for part in drawn:
        assert "\x1b[2J" not in _drawn(part)
