"""The field `bots` of a record is read whole or not at all."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.bots.features import CODE_MAX, FEATURES, to_text
from seawall.compiler.access_log import FIELDS
from seawall.limits import BOT_RECORD_LENGTH_CHARS_MAX, NAME_LENGTH_CHARS_MAX
from seawall.model import BotDo
from seawall.telemetry.bots import parse_verdict
from seawall.telemetry.records import AccessRecord, parse_record

VECTOR = to_text(range(len(FEATURES)))
WHOLE = f"54 block probes+scraper impostor:googlebot ok:2 a7e5c5cb {VECTOR} 6a3ab9e47dcda54b.5488"
ABSENT = f"- observe - - - - {VECTOR} 6a3ab9e47dcda54b.-1"

names = st.from_regex(re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII), fullmatch=True)
vectors = st.lists(
    st.integers(0, CODE_MAX), min_size=len(FEATURES), max_size=len(FEATURES)
).map(tuple)  # fmt: skip


def test_a_whole_text_is_read() -> None:
    found = parse_verdict(WHOLE)
    assert found is not None
    assert (found.score, found.action, found.rules) == (54, BotDo.BLOCK, ("probes", "scraper"))
    assert (found.proof, found.bot) == ("impostor", "googlebot")
    assert (found.clearance, found.level, found.model) == ("ok", 2, "a7e5c5cb")
    assert found.codes == tuple(range(len(FEATURES)))
    assert found.code("tls-sni") == 1
    assert found.counted


def test_what_is_absent_is_no_value() -> None:
    found = parse_verdict(ABSENT)
    assert found is not None
    assert (found.score, found.rules, found.proof, found.bot) == (None, (), "", "")
    assert (found.clearance, found.level, found.model) == ("", 0, "")
    assert not found.counted


SHADOWED = WHOLE.replace("a7e5c5cb ", "a7e5c5cb 31:0123abcd ")


def test_the_score_of_a_shadow_is_read_and_older_records_have_none() -> None:
    found = parse_verdict(SHADOWED)
    assert found is not None
    assert (found.score, found.model) == (54, "a7e5c5cb")
    assert (found.shadow_score, found.shadow) == (31, "0123abcd")
    assert (found.client, found.counted) == ("6a3ab9e47dcda54b", True)
    failed = parse_verdict(SHADOWED.replace("31:", "-:"))
    assert failed is not None
    assert (failed.score, failed.shadow_score, failed.shadow) == (54, None, "0123abcd")
    older = parse_verdict(WHOLE)
    assert older is not None
    assert (older.shadow_score, older.shadow) == (None, "")


@pytest.mark.parametrize(
    "shadow", ["31", "31:", ":0123abcd", "0:0123abcd", "100:0123abcd", "31:0123abc", "31:0123ABCD"]
)
def test_a_shadow_that_the_filter_would_not_write_is_no_verdict(shadow: str) -> None:
    assert parse_verdict(SHADOWED.replace("31:0123abcd", shadow)) is None
    # Where the model was not asked, its shadow was not either.
    assert parse_verdict(SHADOWED.replace("54 ", "- ", 1)) is None


def test_the_vector_of_an_older_version_is_shorter() -> None:
    found = parse_verdict(ABSENT.replace(VECTOR, VECTOR[:20]))
    assert found is not None
    assert found.codes == (*range(20), *(0 for _ in FEATURES[20:]))


@pytest.mark.parametrize(
    "text",
    ["", "-", " ", WHOLE + " ", " " + WHOLE, WHOLE.replace(" ", "  ", 1), WHOLE.rpartition(" ")[0],
     WHOLE.replace("54", "0"), WHOLE.replace("54", "100"), WHOLE.replace("54", "5.4"),
     WHOLE.replace("54", "nan"), WHOLE.replace("54", "05"),
     WHOLE.replace("54", "\N{ARABIC-INDIC DIGIT FIVE}"),
     WHOLE.replace("block", "BLOCK"), WHOLE.replace("block", "explode"),
     WHOLE.replace("probes+scraper", "probes+"), WHOLE.replace("probes", "pro\nbes"),
     WHOLE.replace("impostor:", "imposter:"), WHOLE.replace("ok:2", "ok"),
     WHOLE.replace("ok:2", "ok:0"), WHOLE.replace("a7e5c5cb", "a7e5c5cg"),
     WHOLE.replace("a7e5c5cb", "-"), WHOLE.replace(VECTOR, ""), WHOLE.replace(VECTOR, "\x7f"),
     WHOLE.replace(VECTOR, VECTOR * 2), WHOLE.replace(".5488", ".x"), WHOLE + "0" * 9,
     WHOLE.replace("scraper", "s" * BOT_RECORD_LENGTH_CHARS_MAX)],
)  # fmt: skip
def test_a_text_that_the_filter_would_not_write_is_no_verdict(text: str) -> None:
    assert parse_verdict(text) is None


written = st.fixed_dictionaries(
    {
        "score": st.none() | st.integers(1, 99),
        "action": st.sampled_from(BotDo),
        "rules": st.lists(names, max_size=5).map(tuple),
        "proof": st.sampled_from(["", "verified", "impostor", "unknown"]),
        "bot": names,
        "clearance": st.sampled_from(["-", "ok:1", "ok:2", "ok:3", "expired", "invalid"]),
        "codes": vectors,
        "place": st.integers(-1, 65_535),
    }
)


@given(written)
def test_every_verdict_that_can_be_written_is_read_back(said: dict[str, Any]) -> None:
    proof = f"{said['proof']}:{said['bot']}" if said["proof"] else "-"
    model = "0123abcd" if said["score"] else "-"
    text = (
        f"{said['score'] or '-'} {said['action']} {'+'.join(said['rules']) or '-'} {proof} "
        f"{said['clearance']} {model} {to_text(said['codes'])} {'0f' * 8}.{said['place']}"
    )
    found = parse_verdict(text)
    assert found is not None
    same = ("score", "action", "rules", "proof", "codes")
    assert {name: getattr(found, name) for name in same} == {name: said[name] for name in same}
    assert found.bot == (said["bot"] if said["proof"] else "")
    assert found.counted == (said["place"] >= 0)


@given(st.text() | st.lists(st.text(max_size=9), min_size=8, max_size=8).map(" ".join))
def test_no_text_breaks_it(text: str) -> None:
    found = parse_verdict(text)
    assert found is None or len(found.codes) >= len(FEATURES)


@given(st.integers(0, len(WHOLE) - 1), st.characters())
def test_one_changed_character_never_gives_a_value_out_of_range(at: int, other: str) -> None:
    found = parse_verdict(WHOLE[:at] + other + WHOLE[at + 1 :])
    if found is not None:
        assert found.score is None or 1 <= found.score <= 99
        assert max(found.codes) <= CODE_MAX


def test_five_of_the_longest_names_and_every_feature_fit() -> None:
    rules = "+".join(["r" * NAME_LENGTH_CHARS_MAX] * 5)
    text = WHOLE.replace("probes+scraper", rules).replace("googlebot", "b" * NAME_LENGTH_CHARS_MAX)
    assert parse_verdict(text) is not None


def test_records_carry_it() -> None:
    assert "bots" in FIELDS
    assert "bots" in AccessRecord.__dataclass_fields__
    record = parse_record(b'{"time": "t", "bots": "54 observe"}')
    assert record is not None
    assert record.bots == "54 observe"
