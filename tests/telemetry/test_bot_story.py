"""What is told of bots in a story, and that every feature and verdict has words."""

import hashlib
import math
import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot_models import random_content, random_model, random_vector
from seawall.bots import artifact
from seawall.bots.families import ClientFamily
from seawall.bots.features import CODE_MAX, FEATURES, INDEX, Feature, from_text, to_text
from seawall.bots.script import module
from seawall.bots.starter import starter_content
from seawall.limits import STORY_VALUE_LENGTH_CHARS_MAX
from seawall.model import BotDo
from seawall.telemetry.bot_cases import CASES
from seawall.telemetry.bot_story import KnownBots, KnownModel, KnownPolicy, bot_sentences
from seawall.telemetry.bot_words import FIRST_HEADERS, bucket_least, clause, family, times
from seawall.telemetry.records import AccessRecord
from seawall.telemetry.why import Known, story

MODEL = random_model(7)
DIGEST = hashlib.sha256(random_content(7)).hexdigest()[:8]
ASKS_SCORE = KnownPolicy(watched=True, enforced=True, asks=(("low", ("path", "score")),))
ASKS_PATH = KnownPolicy(watched=True, enforced=True, asks=(("some", ("path",)),))
KNOWN_MODEL = KnownModel(MODEL, DIGEST, "release r9 brought it")
CLIENT = "6a3ab9e47dcda54b.5"


def vector(**codes: int) -> tuple[int, ...]:
    """Codes by feature, `_` for `-`; all others are absent."""
    found = [0] * len(FEATURES)
    for name, code in codes.items():
        found[INDEX[name.replace("_", "-")]] = code
    return tuple(found)


def record(
    verdict: str = "- observe - - - -", /, codes: tuple[int, ...] = (), **more: str
) -> AccessRecord:
    fields = {"route": "shop/all", "host": "shop.test", "status": 200, "origin": "app", **more}
    bots = f"{verdict} {to_text(codes or vector())} {CLIENT}" if verdict else ""
    return AccessRecord(time="t", bots=bots, **fields)  # type: ignore[arg-type]  # - texts and a number


def told(
    seen: AccessRecord, model: KnownModel | None = None, policy: KnownPolicy | None = None
) -> str:
    return " ".join(bot_sentences(seen, KnownBots(model, policy)))


def scored(codes: tuple[int, ...], action: str = "observe -") -> AccessRecord:
    return record(f"{MODEL.score(codes)} {action} - - {DIGEST}", codes)


@pytest.mark.parametrize("feature", [feature.name for feature in FEATURES])
def test_every_feature_has_words_for_every_code(feature: str) -> None:
    for code in range(CODE_MAX + 1):
        said = clause(feature, code)
        assert said == said.strip()
        assert said[0].islower() or said[0].isdigit()
        assert not said.endswith(".")
    assert len({clause(feature, code) for code in range(3)}) > 1


_NEVER_ABSENT = {"hints-brand", "protocol", "method", "path-kind"}


@pytest.mark.parametrize("feature", [f.name for f in FEATURES if f.name not in _NEVER_ABSENT])
def test_what_is_absent_is_not_told_by_the_name_of_its_feature(feature: str) -> None:
    assert clause(feature, 0) != f"its {feature.replace('-', ' ')} is not known"


def test_the_first_header_is_told_by_its_name() -> None:
    text = module("shapes")
    table = text.partition("local FIRST = {")[2].partition("}")[0]
    found = {int(code): name for name, code in re.findall(r'\["([a-z-]+)"\] = (\d+)', table)}
    assert found == FIRST_HEADERS
    assert clause("order-first", 24) == "its first header is dnt"
    assert clause("order-first", 30) == "its first header is an unusual one"


@pytest.mark.parametrize("feature", [f for f in FEATURES if f.name in CASES], ids=lambda f: f.name)
def test_the_cases_of_a_feature_are_those_of_its_meaning(feature: Feature) -> None:
    for code in CASES[feature.name]:
        assert code == 0 or str(code) in feature.meaning


def test_every_family_has_a_name() -> None:
    names = {family(member) for member in ClientFamily}
    assert len(names) == len(ClientFamily)
    assert family(0) == family(90) == "an unknown family"


@pytest.mark.parametrize(
    ("number", "words"),
    [(1, "once"), (2, "2 times"), (7, "7 times"), (8, "about 8 times"), (1000, "about 862 times")],
)
def test_a_bucket_is_told_as_what_it_is_at_least(number: int, words: str) -> None:
    code = 1 + int(4 * math.log2(number) + 1e-9)
    assert bucket_least(code) <= number < bucket_least(code + 1) or number < 8
    assert times(code) == words


def test_score_model_and_reasons_are_told_with_their_direction() -> None:
    codes = random_vector(random.Random(1))
    text = told(scored(codes), KNOWN_MODEL)
    score = MODEL.score(codes)
    assert f"Its score is {score} of 99 (1 automated, 99 human)" in text
    assert f"Model random ({DIGEST}) gave it; release r9 brought it." in text
    strongest, step = next(iter(MODEL.reasons(codes).items()))
    looks = "human" if step > 0 else "automated"
    assert f"It looks {looks} because {clause(strongest, codes[INDEX[strongest]])}" in text


def test_one_fact_does_not_speak_for_both_sides() -> None:
    """Without a handshake many features say the same: each moved the score, and they are summed."""
    model = artifact.read(starter_content() or b"")
    codes = from_text("#########%P&<%$$##%##$#$($####$%################$#$$$$$$$$$$$$$#") or ()
    seen = record(f"{model.score(codes)} observe - - - {DIGEST}", codes)
    text = told(seen, KnownModel(model, DIGEST, ""))
    automated, human = text.partition("It looks automated")[2].split("It looks human")
    assert "it came without TLS" in automated + human
    for said in {clause(feature.name, code) for feature, code in zip(FEATURES, codes, strict=True)}:
        assert not (said in automated and said in human.partition(".")[0]), said


def test_a_model_that_is_not_kept_gives_no_reasons() -> None:
    text = told(scored(random_vector(random.Random(2))))
    assert f"Model {DIGEST} gave it, which is no longer stored" in text
    assert "It looks" not in text


def test_a_score_that_the_model_does_not_give_is_said_to_be_so() -> None:
    codes = random_vector(random.Random(3))
    wrong = MODEL.score(codes) % 99 + 1
    text = told(record(f"{wrong} observe - - - {DIGEST}", codes), KNOWN_MODEL)
    assert f"The model now gives {MODEL.score(codes)}" in text
    assert "It looks" not in text


@pytest.mark.parametrize(
    ("verdict", "policy", "words"),
    [
        ("- observe - - - -", None, "there is no bot model"),
        (f"- observe - verified:googlebot - {DIGEST}", None, "it is a verified bot"),
        (f"- observe - - ok:2 {DIGEST}", None, "its client has a clearance"),
        (f"- allow - - ok:2 {DIGEST}", ASKS_SCORE, "its client has a clearance"),
        (f"- allow - - ok:2 {DIGEST}", ASKS_PATH, "no rule that could decide here uses the score"),
        (f"- observe - - - {DIGEST}", None, "no rule that could decide here uses the score"),
        (f"- observe - - - {DIGEST}", KnownPolicy(watched=False), "bot detection is off here"),
    ],
)
def test_why_there_is_no_score_is_told(
    verdict: str, policy: KnownPolicy | None, words: str
) -> None:
    assert f"It has no score: {words}" in told(record(verdict), policy=policy)


def test_a_part_of_a_page_has_no_score_because_it_is_one() -> None:
    part = vector(path_kind=3)
    image = record(f"- block low - - {DIGEST}", part, path="/a.png", method="GET")
    skips = replace(ASKS_SCORE, skips_parts=True)
    assert "no score: parts of pages are not scored" in told(image, policy=skips)
    assert "no score: no rule" in told(image, policy=replace(skips, skips_parts=False))
    page = record(f"- block low - - {DIGEST}", vector(path_kind=1), path="/a", method="GET")
    assert "no score: no rule" in told(page, policy=skips)
    assert "no score: parts" in told(page, policy=replace(skips, route_class="static"))


@pytest.mark.parametrize(
    ("connection", "words"),
    [
        ({}, "it came without TLS"),
        ({"tls": "TLSv1.3"}, "its handshake could not be read"),
        ({"client": "192.0.2.1", "peer": "10.0.0.1"}, "it came through a proxy"),
        ({"tls": "TLSv1.3", "ja4": "t13d181100_a_b"}, "it came through a proxy"),
    ],
)
def test_why_there_is_no_handshake_is_told(connection: dict[str, str], words: str) -> None:
    assert f"Its user agent claims curl; {words}" in told(
        record("- observe - - - -", vector(agent_family=ClientFamily.CURL), **connection)
    )


def test_what_is_not_recorded_is_told_by_what_the_release_says() -> None:
    nothing = record("")
    assert told(nothing) == ""
    assert told(nothing, policy=KnownPolicy(watched=False)).startswith("Bot detection is off")
    assert "the bot filter failed" in told(nothing, policy=KnownPolicy(watched=True))
    early = record("", details="upgrade_failed")
    assert "the bot filter failed" not in told(early, policy=KnownPolicy(watched=True))
    assert "ended before" in told(early, policy=KnownPolicy(watched=True))
    assert told(record("", route="shop/_https"), policy=KnownPolicy(watched=True)) == ""


def test_a_verdict_that_makes_no_sense_is_not_told() -> None:
    nonsense = AccessRecord(time="t", route="shop/all", bots="0 block \x1b[2J " + "x" * 5000)
    assert told(nonsense) == ("This version cannot read the bot fields of its record.")


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        ("verified", "this was verified."),
        ("impostor", "an impostor."),
        ("unknown", "nor ruled out."),
    ],
)
def test_the_proof_of_a_bot_is_told(proof: str, words: str) -> None:
    text = told(record(f"- observe - {proof}:googlebot - -"))
    assert text.startswith("It says that it is googlebot")
    assert words in text


@pytest.mark.parametrize(
    ("clearance", "words"),
    [("ok:3", "level 3"), ("expired", "has expired"), ("invalid", "not valid here")],
)
def test_the_clearance_is_told(clearance: str, words: str) -> None:
    assert words in told(record(f"- observe - - {clearance} -"))


def test_a_client_that_contradicts_itself_is_told() -> None:
    text = told(
        record(
            codes=vector(
                tls_version=2, tls_family=ClientFamily.CURL, tls_known=3, family_agreement=1,
                agent_family=ClientFamily.CHROMIUM, hints_brand=1, pseudo_order=4,
                generation_gap=47, requests_10s=9, requests_60s=20, requests_10m=30,
                errors_10m=6, assets_10m=1,
            )
        )
    )  # fmt: skip
    assert (
        "Its user agent claims Chromium, but its handshake is that of curl: they contradict each "
        "other."
    ) in text
    assert "it sends no client hints, but the browser that it claims to be does" in text
    assert "its HTTP/2 pseudo-headers come in curl's order" in text
    assert "its handshake is 2 generations older" in text.lower()
    assert "it sends no fetch metadata" in text
    assert "has asked 4 times in 10 seconds, about 27 times in a minute" in text
    assert "50 % of its responses in 10 minutes were errors" in text


def test_what_is_unknown_is_not_made_up() -> None:
    text = told(record(codes=vector(tls_version=2, tls_known=1, agent_family=ClientFamily.GO)))
    assert "Its user agent claims Go; its handshake is not in the table of known clients." in text
    assert "The client's earlier requests are unknown." in text
    assert "it came without TLS" in told(record(codes=vector(agent_family=ClientFamily.GO)))


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("allow -", "No rule matched, so it passed."),
        ("observe -", "No rule matched, so it passed."),
        ("allow exempt:robots", "robots.txt is open to everybody"),
        ("allow exempt:private", "The node itself sent this request"),
        ("allow exempt:later", "No bot policy applies to it."),
        ("block slow", "Rule slow refused it (403)."),
        ("block seen+slow", "Rule seen noted it. Rule slow refused it (403)."),
        ("rate slow", "Rule slow refused it, because its client sent too many requests (429)."),
        ("payment category:ai-training", "What is said of ai-training bots asked for payment"),
        ("allow staff", "Rule staff let it pass."),
    ],
)
def test_what_decided_is_told(action: str, words: str) -> None:
    seen = record(f"- {action} - - -", details="lua_response")
    assert words in told(seen)
    assert "passed all the same" not in told(seen)


def test_a_challenge_that_was_not_to_be_had_is_told_as_one_that_let_pass() -> None:
    seen = record("- challenge slow - - -", details="via_upstream")
    assert "Rule slow challenged it. It passed all the same" in told(seen)


@pytest.mark.parametrize(
    ("status", "details"),
    [(0, "downstream_remote_disconnect"), (0, "http2.remote_reset"), (408, "stream_idle_timeout")],
)
def test_who_left_while_his_challenge_was_asked_for_was_not_let_pass(
    status: int, details: str
) -> None:
    more = {"details": details, "status": status, "attempts": 0}
    seen = record("- challenge slow - - -", **more)  # type: ignore[arg-type]  # - numbers too
    text = " ".join(story(seen).sentences)
    assert "Rule slow challenged it. The request ended before it was answered" in text
    assert "It was not sent to its origin app." in text
    assert "passed" not in text


def test_who_was_challenged_without_opening_a_page_is_told_to_have_got_json() -> None:
    policy = KnownPolicy(watched=True, route_class="page")
    verdict, here = "- challenge slow - - -", {"details": "lua_response", "path": "/x"}
    script = vector(**{"fetch-mode": 3, "fetch-dest": 5})
    asked = told(record(verdict, script, method="GET", **here), policy=policy)
    assert "Rule slow challenged it. A challenge is only shown when a page is opened" in asked
    assert "the answer was JSON" in asked
    worker = vector(**{"fetch-mode": 1, "fetch-dest": 5})
    opened = told(record(verdict, worker, method="GET", **here), policy=policy)
    assert "Rule slow challenged it." in opened
    assert "JSON" not in opened


def test_who_was_told_to_come_again_for_a_challenge_is_told_so() -> None:
    policy = KnownPolicy(watched=True, route_class="page")
    seen = record("- challenge slow - - -", details="lua_response", status=429)
    assert "Rule slow challenged it. Too many clients were waiting for a challenge" in told(
        seen, policy=policy
    )


@pytest.mark.parametrize("does", [do for do in BotDo if do is not BotDo.OBSERVE])
def test_a_site_that_observes_is_told_what_its_rule_would_have_done(does: BotDo) -> None:
    policy = KnownPolicy(watched=True, actions=(("slow", does), ("seen", BotDo.OBSERVE)))
    seen = record("- observe seen+slow - - -")
    text = told(seen, policy=policy)
    assert "Rule slow would have" in text
    assert "the site only observes, so it passed." in text
    assert "Rule seen and rule slow matched; it was only observed." in told(seen)
    noted = told(record("- observe seen - - -"), policy=policy)
    assert "Rule seen noted it, and it passed." in noted


def test_who_was_refused_is_told_what_to_do() -> None:
    refused = record("- block slow - - -", details="lua_response", status="403")
    remedy = story(refused).remedy
    assert "rule slow of site shop" in remedy
    assert "`seawall kill bots --site shop --reason WHY`" in remedy
    challenged = record("- challenge slow - - -", details="lua_response", status="403")
    assert "`seawall kill challenge --site shop --reason WHY`" in story(challenged).remedy
    noted = record("- block noted+slow - - -", details="lua_response", status=403)
    assert "change rule slow of site shop" in story(noted).remedy
    assert story(record("- allow - - - -")).remedy == ""


@given(
    st.lists(st.integers(0, CODE_MAX), min_size=len(FEATURES), max_size=len(FEATURES)),
    st.sampled_from(BotDo),
    st.booleans(),
)
def test_every_vector_has_a_bounded_story(codes: list[int], action: BotDo, known: bool) -> None:
    seen = scored(tuple(codes), f"{action.value} probes+slow")
    bots = KnownBots(KNOWN_MODEL if known else None)
    sentences = story(seen, Known(bots=bots)).sentences
    assert len(sentences) < 20
    assert all(s.endswith(".") and not s[0].islower() for s in sentences)
    assert max(map(len, sentences)) < 8 * STORY_VALUE_LENGTH_CHARS_MAX


@given(st.text(max_size=300))
def test_no_text_in_the_field_breaks_a_story(text: str) -> None:
    assert story(AccessRecord(time="t", route="shop/all", bots=text)).sentences


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("49", "gives it 49. A shadow decides nothing. With the usual thresholds a policy would"),
        (
            "30",
            "gives it 30. A shadow decides nothing. A rule that compares the score with 30 would",
        ),
        ("1", "A rule that compares the score with 2 and 30 would decide differently."),
        ("-", "could not score it. This had no effect."),
    ],
)
def test_the_score_of_a_shadow_is_told_and_where_it_would_decide_otherwise(
    own: str, words: str
) -> None:
    seen = record(f"50 observe - - - {DIGEST} {own}:0123abcd")
    assert words in told(seen)
    assert "The shadow model 0123abcd " in told(seen)
    named = " ".join(bot_sentences(seen, KnownBots(shadow="next")))
    assert "The shadow model next (0123abcd) " in named


def test_without_a_shadow_or_a_score_nothing_is_told_of_one() -> None:
    for text in (f"50 observe - - - {DIGEST}", f"- observe - - - {DIGEST} -:0123abcd"):
        assert "shadow" not in told(record(text))
