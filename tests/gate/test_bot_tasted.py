"""Real sacrificial Envoys run the bot filter: their scores are told, and are those of the model."""

import asyncio
from pathlib import Path

import pytest

from gate import made
from gate.bot_snapshots import snapshot, with_script
from seawall.bots.features import to_text
from seawall.clock import SystemClock
from seawall.compiler.contents import contents
from seawall.compiler.model_words import model_of
from seawall.compiler.snapshot import Snapshot
from seawall.gate.ask import Answer
from seawall.gate.compare import changed
from seawall.gate.probes import Probe, Source
from seawall.gate.tasted_scores import look_at_scores
from seawall.gate.taster import Order, Taster, TasteReport
from seawall.ids import SiteName
from seawall.model import BotAction, BotDo, BotMode, BotPolicy, BotRule, Golden
from seawall.telemetry.bot_policy import policies_in
from step_models import step_content, step_vector

FEATURE = "agent-length"
GOLDEN = tuple(
    Golden(SiteName("shop"), "shop.test", f"/{size}", headers=(("user-agent", "a" * size),))
    for size in (4, 40, 400)
)


def taste(work_dir: Path, new: Snapshot, old: Snapshot | None) -> TasteReport:
    change = changed(contents(old) if old else None, contents(new))
    judge = Taster(made.ENVOY, SystemClock(), work_dir=work_dir)
    return asyncio.run(judge.taste(Order(new, old, made.known(change), GOLDEN)))


def test_scores_of_both_releases_are_told_beside_each_other(tmp_path: Path) -> None:
    old = snapshot(step_content(feature=FEATURE))
    new = snapshot(step_content(10.0, name="next", feature=FEATURE))
    report = taste(tmp_path, new, old)
    assert report.refusal is None, report
    assert any("Envoy scored 4 of 4 requests as" in line for line in report.lines), report.lines
    moved = [line for line in report.lines if "score and verdict" in line]
    assert len(moved) == 4, report.lines
    assert all("(by another model)" in line for line in moved)


def test_a_release_that_looks_at_nobody_says_nothing_of_scores(tmp_path: Path) -> None:
    report = taste(tmp_path, snapshot(None), None)
    assert report.refusal is None, report
    assert not any("scored" in line for line in report.lines)


def test_a_filter_that_fails_is_refused_though_every_request_is_answered(tmp_path: Path) -> None:
    old = snapshot(step_content(feature=FEATURE))
    begins = "local function request(handle)"
    new = with_script(
        snapshot(step_content(1.0, name="next", feature=FEATURE)),
        lambda text: text.replace(begins, f'{begins} error("broken")'),
    )
    assert new.digest != old.digest
    report = taste(tmp_path, new, old)
    assert report.refusal is not None, report
    assert report.refusal.code == "taster-unscored"
    assert report.refusal.blames_content


RATE = BotRule("many", "true", BotAction(BotDo.RATE, requests=1_000, per_s=60))
LOW = BotRule("low", "score <= 2", BotAction(BotDo.CHALLENGE))


def test_rules_that_ask_for_no_score_are_taken_though_nothing_is_scored_any_more(
    tmp_path: Path,
) -> None:
    old = snapshot(step_content(feature=FEATURE))
    policy = BotPolicy(BotMode.ENFORCE, (RATE,))
    new = snapshot(step_content(feature=FEATURE), policy=policy)
    report = taste(tmp_path, new, old)
    assert report.refusal is None, report
    assert any("Envoy scored 0 of" in line for line in report.lines), report.lines


@pytest.mark.parametrize(
    ("policy", "told", "refused"),
    [
        (BotPolicy(BotMode.ENFORCE, (RATE,)), "- allow -", False),
        (BotPolicy(BotMode.ENFORCE, (RATE,)), "", True),  # the filter says nothing: it fails
        (BotPolicy(BotMode.ENFORCE, (RATE, LOW)), "- allow -", True),
        (BotPolicy(BotMode.OBSERVE, (RATE,)), "- observe -", True),
        (BotPolicy(BotMode.OFF), "", False),
    ],
)
def test_a_score_is_missed_where_the_policy_asks_for_one(
    policy: BotPolicy, told: str, refused: bool
) -> None:
    new = snapshot(step_content(), policy=policy)
    text = answer("-").bots.replace("- observe -", told, 1) if told else ""
    now = Answer(bots=text, route="shop/all")
    finding, _ = look_at_scores(
        [PROBE], [now], [answer("31")], MODEL, lambda tls: policies_in(new, tls=tls)
    )
    assert (finding is not None) is refused


PROBE = Probe(Source.MADE, https=False, host="shop.test", method="GET", path="/")
MODEL = model_of(snapshot(step_content()))


def answer(score: str, model: str = "") -> Answer:
    vector = to_text(step_vector(30))
    assert MODEL is not None
    return Answer(bots=f"{score} observe - - - {model or MODEL.id} {vector} 0123456789abcdef.-1")


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (answer("31"), ""),
        (answer("32"), "taster-score-parity"),
        (answer("31", "00000000"), "taster-score-parity"),
        (answer("-"), "taster-unscored"),
        (Answer(), "taster-unscored"),
        (Answer(bots="nonsense"), "taster-unscored"),
    ],
)
def test_a_score_is_the_one_of_the_model_or_the_release_is_refused(told: Answer, code: str) -> None:
    finding, line = look_at_scores([PROBE], [told], [answer("31")], MODEL)
    assert (finding.code if finding else "") == code
    assert bool(line) is (finding is None)
    assert look_at_scores([PROBE], [told], [answer("31")], None) == (None, "")


def test_whoever_a_new_list_turns_away_need_not_be_scored() -> None:
    """Nor what the current release does not score either, such as a host that nobody serves."""
    turned_away, elsewhere = Answer(status=403), Answer(status=421)
    found = look_at_scores(
        [PROBE, PROBE], [turned_away, elsewhere], [answer("31"), elsewhere], MODEL
    )
    assert found[0] is None
    failed, _ = look_at_scores([PROBE, PROBE], [elsewhere] * 2, [answer("31"), elsewhere], MODEL)
    assert failed is not None
    assert "None of 1 requests that the current release scores gets" in failed.text
