"""Requests that the bot service is asked about: what Envoy handed out before the wait is dead."""

import contextlib
import json
import selectors
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from compiler import build
from edge.bot_records import faults, harsh_model, record_of_path, verdict
from edge.serving import request, serving
from envoy_harness import Origin
from helpers import wait_until
from raw_http import RawClient, Response
from seawall.limits import (
    BOT_SERVICE_BROWSER_CONNECTIONS_MAX,
    BOT_SERVICE_BROWSER_REQUESTS_MAX,
    BOT_SERVICE_REQUESTS_MAX,
    BOT_SERVICE_TURNS_PER_NETWORK_MAX,
)
from seawall.model import BotAction, BotChallenge, BotDo, BotMode, BotPolicy, BotRule, HeaderChanges
from seawall.telemetry.why import story
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
_PER_CONNECTION = 50
"""Requests of one that floods; Envoy ends a connection after some more."""
_TURN_S = 5.0
"""After that a turn is over, whatever became of its request."""
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


@pytest.mark.parametrize(
    ("networks", "each", "turns"),
    [
        pytest.param(1, 40, BOT_SERVICE_TURNS_PER_NETWORK_MAX, id="of one network"),
        pytest.param(30, 8, BOT_SERVICE_REQUESTS_MAX, id="of many networks"),
    ],
)
def test_who_floods_the_bot_service_is_told_to_come_again_and_not_let_in(
    networks: int, each: int, turns: int
) -> None:
    """Of a service that had too much to do everybody was let in, as if it were down."""
    site = build.site("shop", build.route("shop/all"), bots=POLICY)
    asked = request(b"/asked", b"accept: text/html")
    with serving(site) as running, contextlib.ExitStack() as stack:
        go_on = stack.enter_context(_held(running.envoy.directory.parent / "bots.sock"))
        clients = [
            stack.enter_context(RawClient(running.port, source=f"127.0.{network}.1"))
            for _ in range(each)
            for network in range(networks)
        ]
        for client in clients:
            client.send(asked)
        refused = _answered(clients, len(clients) - turns)
        go_on.set()
        shown = _answered(clients, len(clients))
        told = [(answer.status, answer.header("retry-after")) for answer in refused]
        assert set(told) == {(429, "3")}
        assert {answer.status for answer in shown} == {403}
        assert len(shown) == turns
        for _ in range(2 * BOT_SERVICE_TURNS_PER_NETWORK_MAX):
            assert running.send(asked).status == 403
        assert faults(running) == 0
        running.assert_origin_untouched()


def test_one_network_cannot_keep_others_from_passing() -> None:
    """No rule holds for what browsers ask while they are challenged, so only this bounds it."""
    site = build.site("shop", build.route("shop/all"), bots=POLICY)
    flood = request(b"/.well-known/seawall/challenge/solve", method=b"POST")
    many = BOT_SERVICE_BROWSER_REQUESTS_MAX + 2 * BOT_SERVICE_BROWSER_CONNECTIONS_MAX
    limits = replace(build.LIMITS, connections_max=2 * many)
    with serving(site, limits=limits) as running, contextlib.ExitStack() as stack:
        go_on = stack.enter_context(_held(running.envoy.directory.parent / "bots.sock"))
        clients = [
            stack.enter_context(RawClient(running.port, source="127.0.1.1")) for _ in range(many)
        ]
        for client in clients:
            client.send(flood)
        refused = _answered(clients, 1)
        with RawClient(running.port, source="127.0.2.1") as person:
            person.send(request(b"/.well-known/seawall/challenge/refresh", method=b"POST"))
            go_on.set()
            assert person.response().status == 403
        assert {answer.status for answer in refused} == {429}
        assert json.loads(refused[0].body) == {"do": "wait", "seconds": 3}
        assert refused[0].header("retry-after") == "3"
        assert faults(running) == 0


def test_who_leaves_while_a_challenge_is_asked_for_is_not_told_to_have_passed() -> None:
    site = build.site("shop", build.route("shop/all"), bots=POLICY)
    with serving(site) as running, _held(running.envoy.directory.parent / "bots.sock"):
        with RawClient(running.port) as client:
            client.send(request(b"/asked", b"accept: text/html"))
            active = r"^cluster\.seawall_bots\.upstream_rq_active$"
            wait_until(lambda: any(running.envoy.stats(active).values()), what="a question")
        told = " ".join(story(record_of_path(running, "/asked")).sentences)
        running.assert_origin_untouched()
    assert "Rule asked challenged it. The request ended before it was answered" in told
    assert "It was not sent to its origin app." in told


def test_who_sends_slowly_gets_no_more_turns_than_who_sends_at_once() -> None:
    """A turn ended while a body was waited for, and all that waited asked at the same moment."""
    site = build.site("shop", build.route("shop/all"), bots=POLICY)
    form = b"content-type: application/x-www-form-urlencoded"
    begun = request(
        b"/asked", b"accept: text/html", form, b"content-length: 3", method=b"POST", body=b"a="
    )
    turns = BOT_SERVICE_TURNS_PER_NETWORK_MAX
    with serving(site) as running, contextlib.ExitStack() as stack:
        go_on = stack.enter_context(_held(running.envoy.directory.parent / "bots.sock"))
        clients = [stack.enter_context(RawClient(running.port)) for _ in range(2 * turns)]
        for client in clients[:turns]:
            client.send(begun)
        over_s = time.monotonic() + _TURN_S  # nothing tells that a turn has ended
        wait_until(lambda: time.monotonic() > over_s, what="turns that began then are over")
        for client in clients[turns:]:
            client.send(begun)
        for client in clients:
            client.send(b"1")
        refused = _answered(clients, turns)
        go_on.set()
        shown = _answered(clients, turns)
    assert {answer.status for answer in refused} == {429}
    assert {answer.status for answer in shown} == {403}


@contextlib.contextmanager
def _held(path: Path) -> Iterator[threading.Event]:
    """A bot service that answers nothing until it may."""
    go_on = threading.Event()

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            go_on.wait()
            self.send_response(403)
            self.send_header("content-length", "4")
            self.end_headers()
            self.wfile.write(b"page")

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True
        request_queue_size = 512

    with Server(str(path), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield go_on
        finally:
            go_on.set()
            server.shutdown()
            thread.join()


def _answered(clients: list[RawClient], count: int) -> list[Response]:
    """The first `count` answers; their clients are taken out."""
    found: list[Response] = []
    ends_s = time.monotonic() + 10
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        while len(found) < count:
            ready = selector.select(ends_s - time.monotonic())
            assert ready, f"{len(found)} of {count} were answered"
            for key, _ in ready:
                selector.unregister(key.fileobj)
                clients.remove(key.data)
                found.append(key.data.response())
    return found
