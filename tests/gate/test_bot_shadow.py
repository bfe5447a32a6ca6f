"""A shadow at the gate: proven, its drift told, and refused only by the release that brings it."""

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from envoy.config.route.v3 import route_pb2

from gate import made
from gate.bot_snapshots import snapshot, with_script
from gate.test_bot_load import golden_broken
from seawall import limits
from seawall.bots import artifact
from seawall.bots.features import to_text
from seawall.clock import SystemClock
from seawall.compiler.contents import contents
from seawall.compiler.model_words import model_changes, model_of, script_of, shadow_of
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.gate.ask import Answer
from seawall.gate.compare import Changed, changed
from seawall.gate.compat import Recipient, require_compatible
from seawall.gate.probes import Probe, Source
from seawall.gate.report import StageFinding
from seawall.gate.scores import judge_scores
from seawall.gate.tasted_scores import look_at_shadow
from seawall.gate.taster import Order, Taster, TasteReport
from seawall.ids import SiteName
from seawall.model import Golden
from seawall.release.bundle import Bundle, encode, format_of
from seawall.release.release import Kind
from seawall.site.sources import BOT_SHADOW, Pushed, SourceFile, SourceSet
from step_models import step_content, step_vector

FEATURE = "agent-length"
MODEL = step_content(feature=FEATURE)
SHADOW = step_content(40.0, name="next", feature=FEATURE)
PLAIN = snapshot(MODEL)
BESIDE = snapshot(MODEL, SHADOW)
TRAFFIC = [step_vector(code % 90, FEATURE) for code in range(400)]


def shadow_broken(whole: Snapshot) -> Snapshot:
    """The golden vectors of the shadow, and of nothing else, do not give the promised scores."""

    def spoil(text: str) -> str:
        begin = text.index('["shadow"]={')
        return text[:begin] + golden_broken(text[begin:])

    return with_script(whole, spoil)


BROKEN = shadow_broken(BESIDE)


def judged(old: Snapshot | None, new: Snapshot, kind: Kind = Kind.FEED) -> StageFinding:
    return judge_scores(old, new, kind, lambda: TRAFFIC)


def words(old: Snapshot, new: Snapshot) -> list[str]:
    tables = [
        route_pb2.RouteConfiguration.FromString(whole.of_type(TypeUrl.ROUTES)[0].body)
        for whole in (old, new)
    ]
    return list(model_changes(*tables))


def test_model_and_shadow_are_read_back_from_one_text() -> None:
    model, shadow = model_of(BESIDE), shadow_of(BESIDE)
    assert model is not None
    assert shadow is not None
    assert artifact.digest(MODEL).startswith(model.id)
    assert artifact.digest(SHADOW).startswith(shadow.id)
    assert (shadow.name, shadow.wrong_golden()) == ("next", "")
    assert shadow_of(PLAIN) is None
    assert shadow_of(snapshot(None, SHADOW)) is None


def test_without_a_shadow_the_text_holds_nothing_of_one() -> None:
    assert '["shadow"]' not in script_of(PLAIN)


def test_a_change_of_the_shadow_is_told_as_that_and_nothing_else() -> None:
    title = f"next ({artifact.digest(SHADOW)[:8]})"
    assert words(PLAIN, BESIDE) == [f"shadow bot model none -> {title}"]
    assert words(BESIDE, PLAIN) == [f"shadow bot model {title} -> none"]
    promoted = words(BESIDE, snapshot(SHADOW))
    assert promoted[0] == f"shadow bot model {title} -> none"
    assert promoted[1].endswith(f" -> {title}")
    assert words(BESIDE, BESIDE) == []


def test_a_shadow_that_scores_quite_otherwise_passes_and_its_drift_is_told() -> None:
    report = judged(PLAIN, BESIDE)
    assert report.refusal is None
    assert not report.notes
    assert "the shadow next" in report.summary
    told = "\n".join(report.lines)
    assert "30 golden vectors of the shadow next" in told
    moved = re.search(r"Shadow, recent vectors: (\d+) of 400 .* moved by more than 20 points", told)
    assert moved is not None
    assert int(moved[1]) > 300
    refused = judged(PLAIN, snapshot(SHADOW))
    assert refused.refusal is not None
    assert refused.refusal.code == "score-drift"


def test_its_promotion_is_judged_as_any_model() -> None:
    report = judged(BESIDE, snapshot(SHADOW))
    assert report.refusal is not None
    assert report.refusal.code == "score-drift"


def test_without_traffic_that_is_told_and_the_golden_vectors_are_compared() -> None:
    report = judge_scores(PLAIN, BESIDE, Kind.FEED, list)
    told = "\n".join(report.lines)
    assert f"Shadow: 0 recent vectors, {limits.BOT_DRIFT_VECTORS_MIN} are needed" in told
    assert "Shadow, golden vectors: " in told


def test_a_shadow_that_is_not_proven_is_refused_where_it_is_brought_and_only_there() -> None:
    report = judged(PLAIN, BROKEN)
    assert report.refusal is not None
    assert (report.refusal.code, report.forcible) == ("bot-shadow-not-proven", False)
    for old, kind in ((BROKEN, Kind.SITE), (PLAIN, Kind.SWITCH)):
        later = judged(old, BROKEN, kind)
        assert later.refusal is None
        assert any("does not give its promised scores" in note for note in later.notes)


GOLDEN = tuple(
    Golden(SiteName("shop"), "shop.test", f"/{size}", headers=(("user-agent", "a" * size),))
    for size in (4, 40, 400)
)


def taste(work_dir: Path, new: Snapshot, old: Snapshot, *, switch: bool = False) -> TasteReport:
    async def change() -> Changed:
        return changed(contents(old), contents(new))

    judge = Taster(made.ENVOY, SystemClock(), work_dir=work_dir)
    return asyncio.run(judge.taste(Order(new, old, change, GOLDEN, switch=switch)))


def test_a_real_envoy_scores_with_both(tmp_path: Path) -> None:
    report = taste(tmp_path, BESIDE, PLAIN)
    assert report.refusal is None, report
    told = "\n".join(report.lines)
    assert "Envoy scored 4 of 4 requests as steps" in told
    assert "Envoy's shadow scored 4 of 4 scored requests as next" in told
    assert "Differs" not in told


def test_a_shadow_that_fails_in_a_real_envoy_is_refused_where_it_is_brought(
    tmp_path: Path,
) -> None:
    report = taste(tmp_path, BROKEN, PLAIN)
    assert report.refusal is not None
    assert report.refusal.code == "taster-shadow-unscored"
    assert "scores none of 4 scored requests" in report.refusal.text
    for old, switch in ((BROKEN, False), (PLAIN, True)):
        later = taste(tmp_path, BROKEN, old, switch=switch)
        assert later.refusal is None, later
        assert any("the release is not refused" in line for line in later.lines)


PROBE = Probe(Source.MADE, https=False, host="shop.test", method="GET", path="/")
SCRIPTED = shadow_of(BESIDE)


def answer(own: str, score: str = "31") -> Answer:
    vector = to_text(step_vector(30, FEATURE))
    return Answer(bots=f"{score} observe - - - 00000000 {own} {vector} 0123456789abcdef.-1")


@pytest.mark.parametrize(
    ("own", "code"),
    [
        ("71:{id}", ""),
        ("72:{id}", "taster-shadow-parity"),
        ("71:00000000", "taster-shadow-parity"),
        ("-:{id}", "taster-shadow-unscored"),
    ],
)
def test_its_score_is_that_of_the_file_or_the_release_that_brings_it_is_refused(
    own: str, code: str
) -> None:
    assert SCRIPTED is not None
    told = [answer(own.format(id=SCRIPTED.id))]
    finding, line = look_at_shadow([PROBE], told, SCRIPTED, brought=True)
    assert (finding.code if finding else "") == code
    assert bool(line) is (finding is None)
    assert look_at_shadow([PROBE], told, SCRIPTED, brought=False)[0] is None
    assert look_at_shadow([PROBE], told, None, brought=True) == (None, "")


def test_what_the_model_does_not_score_its_shadow_need_not() -> None:
    assert SCRIPTED is not None
    told = [answer(f"-:{SCRIPTED.id}", score="-")]
    assert look_at_shadow([PROBE], told, SCRIPTED, brought=True)[0] is None


def test_a_node_that_knows_nothing_of_shadows_reads_the_release() -> None:
    sources = SourceSet("/s.yaml", (SourceFile("/s.yaml", b"version: 1\n"),))
    plain = Bundle(Kind.FEED, sources, (), BESIDE, "0.1.0", "1.40.0")
    bundle = replace(plain, feeds=(Pushed(BOT_SHADOW, SHADOW),))
    encoded = encode(bundle)
    # Format 2 came before shadows did: to a node it is one more feed, and text for Envoy.
    assert format_of(encoded) == 2
    lines = require_compatible(bundle, encoded, frozenset(), [Recipient("old", "1.40.0", 2)])
    assert any("1 node(s) read format 2" in line for line in lines)
