"""Requests that the bot service is asked about: what Envoy handed out before the wait is dead."""

import pytest

from compiler import build
from edge.bot_records import faults, harsh_model, verdict
from edge.serving import serving
from envoy_harness import Origin
from seawall.model import BotAction, BotChallenge, BotDo, BotMode, BotPolicy, BotRule, HeaderChanges
from seawall.verify.outcome import Outcome
from verify.stand_in import Signatures, answering

SIGNED = (
    b'signature-agent: "https://chatgpt.com"',
    b'signature-input: sig=("@authority");created=1;keyid="k";tag="web-bot-auth"',
    b"signature: sig=:AAAA:",
)
RULES = (
    BotRule("own", 'verified == "chatgpt-agent"', BotAction(BotDo.ALLOW)),
    BotRule("asked", 'path == "/asked"', BotAction(BotDo.CHALLENGE)),
    BotRule("low", "score <= 1", BotAction(BotDo.BLOCK)),
)
POLICY = BotPolicy(
    mode=BotMode.ENFORCE, rules=RULES, challenge=BotChallenge(passes_unavailable=True)
)


def test_a_signature_that_proves_nothing_spares_nobody_a_rule() -> None:
    """Anybody can write these three lines."""
    site = build.site("shop", build.route("shop/all"), bots=POLICY)
    with serving(site, bot_model=harsh_model()) as running:
        answer = running.get(b"/", *SIGNED)
        assert answer.status == 403
        seen = verdict(running, answer.header("x-request-id"))
        assert faults(running) == 0
        running.assert_origin_untouched()
    assert (seen.score, seen.action.value, seen.rules) == (1, "block", ("low",))


@pytest.mark.parametrize(
    ("outcome", "status", "proof"),
    [
        (Outcome.VERIFIED, 200, "verified"),
        (Outcome.IMPOSTOR, 403, "impostor"),
        (Outcome.UNKNOWN, 403, ""),
    ],
)
def test_what_the_bot_service_says_of_a_signature_is_what_rules_see(
    outcome: Outcome, status: int, proof: str
) -> None:
    verifier = Signatures(outcome, "chatgpt-agent")
    site = build.site("shop", build.route("shop/all"), bots=POLICY)
    with serving(site, bot_model=harsh_model()) as running:
        with answering(running.envoy.directory.parent / "bots.sock", verifier):
            answer = running.get(b"/", *SIGNED)
        seen = verdict(running, answer.header("x-request-id"))
        assert faults(running) == 0
    assert (answer.status, seen.proof) == (status, proof)
    assert [each.path for each in verifier.asked] == ["/"]


def test_the_origin_gets_no_cookie_of_the_edge_where_no_challenge_was_to_be_had() -> None:
    site = build.site("shop", build.route("shop/all"), bots=POLICY)
    with serving(site) as running:
        answer = running.get(b"/asked", b"accept: text/html", b"cookie: a=1; seawall-try=2")
        assert answer.status == 200
        assert faults(running) == 0
        [request] = running.origin.requests
    assert request.values("cookie") == [b"a=1"]


def test_an_origin_cannot_pass_for_the_filter_and_take_a_header_of_the_edge_away() -> None:
    body = b"x-seawall-reply: x-kept\r\ncontent-length: 0\r\n\r\n"
    with Origin(lambda _: b"HTTP/1.1 404 Not Found\r\n" + body) as forger:
        site = build.site(
            "shop",
            build.route("shop/all", action=build.forward("forger")),
            bots=POLICY,
            response_headers=HeaderChanges(set=(("x-kept", "yes"),)),
        )
        more = (build.origin("forger", forger.port),)
        with serving(site, more_origins=more) as running:
            answer = running.get(b"/")
    assert (answer.status, answer.header("x-kept")) == (404, "yes")
