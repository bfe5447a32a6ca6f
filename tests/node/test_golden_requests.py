"""What counts as a wrong answer to a golden request, and the client that asks."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from node.support import DEADLINE_S, answer, edge, routes, whole
from seawall.ids import SiteName
from seawall.limits import (
    GOLDEN_ATTEMPTS_MAX,
    GOLDEN_BODY_SIZE_BYTES_MAX,
    GOLDEN_LATE_ATTEMPTS_MAX,
    STORY_VALUE_LENGTH_CHARS_MAX,
)
from seawall.model.rollout import Golden
from seawall.node.asking import Answer, Silence, ask
from seawall.node.golden import Prober, difference
from seawall.node.questions import Question, questions
from seawall.node.taste import socket_name
from tls_material import TlsAuthority

SITE = SiteName("shop")
OK = Answer(200, {"content-type": "text/html; charset=utf-8"}, b"welcome to the shop")
ERROR = Answer(503, {}, b"")
CUT = Answer(503, {"proxy-status": "taste; error=connection_refused; details=delayed"}, b"")
DEAD = Silence("no answer in 5 s")


def golden(**options: object) -> Golden:
    return Golden(SITE, "shop.test", "/", **options)


@pytest.mark.parametrize(
    ("question", "candidate", "stable", "wrong"),
    [
        # Nobody wrote it: only a candidate that fails where stable does not.
        (Question(golden(), implicit=True), OK, OK, False),
        (Question(golden(), implicit=True), ERROR, OK, True),
        (Question(golden(), implicit=True), DEAD, OK, True),
        (Question(golden(), implicit=True), ERROR, ERROR, False),
        (Question(golden(), implicit=True), ERROR, DEAD, False),
        (Question(golden(), implicit=True), Answer(404), OK, False),
        (Question(golden(), implicit=True), ERROR, Answer(421), True),
        # The start of a site that leads elsewhere: a page that is shown may not be gone.
        (Question(golden(), implicit=True, led_anew=True), Answer(404), OK, True),
        (Question(golden(), implicit=True, led_anew=True), Answer(410), OK, True),
        (Question(golden(), implicit=True, led_anew=True), Answer(404), Answer(404), False),
        (Question(golden(), implicit=True, led_anew=True), Answer(404), Answer(302), False),
        (Question(golden(), implicit=True, led_anew=True), Answer(404), DEAD, False),
        (Question(golden(), implicit=True, led_anew=True), Answer(401), OK, False),
        (Question(golden(), implicit=True, led_anew=True), Answer(301), OK, False),
        # The way of a changed route: only a candidate that cannot reach the origin.
        (Question(golden(), implicit=True, route="shop/api"), CUT, OK, True),
        (Question(golden(), implicit=True, route="shop/api"), DEAD, OK, True),
        (Question(golden(), implicit=True, route="shop/api"), CUT, Answer(405), True),
        (Question(golden(), implicit=True, route="shop/api"), CUT, ERROR, True),
        (Question(golden(), implicit=True, route="shop/api"), CUT, CUT, False),
        (Question(golden(), implicit=True, route="shop/api"), CUT, DEAD, False),
        (Question(golden(), implicit=True, route="shop/api"), ERROR, OK, False),
        (Question(golden(), implicit=True, route="shop/api"), Answer(404), OK, False),
        (Question(golden(), implicit=True, route="shop/api"), OK, CUT, False),
        # A route that is new takes nothing away where nothing was served.
        (Question(golden(), implicit=True, route="shop/api", added=True), CUT, OK, True),
        (Question(golden(), implicit=True, route="shop/api", added=True), CUT, Answer(404), False),
        (Question(golden(), implicit=True, route="shop/api", added=True), CUT, ERROR, False),
        # Written without a status: as stable answers.
        (Question(golden()), OK, OK, False),
        (Question(golden()), Answer(404), OK, True),
        (Question(golden()), ERROR, OK, True),
        (Question(golden()), OK, ERROR, False),
        (Question(golden()), ERROR, ERROR, False),
        (Question(golden()), DEAD, OK, True),
        (Question(golden()), DEAD, DEAD, False),
        (
            Question(golden()),
            Answer(301, {"location": "/a"}),
            Answer(301, {"location": "/b"}),
            True,
        ),
        (Question(golden()), Answer(200, {"content-type": "text/plain"}), OK, True),
        (Question(golden()), Answer(200, {"content-type": "TEXT/HTML"}), OK, False),
        # Written with a status or a text: as written, whatever stable does.
        (Question(golden(status=(200, 204))), Answer(204), OK, False),
        (Question(golden(status=(200,))), Answer(404), OK, True),
        (Question(golden(status=(308,))), Answer(308, {"location": "/new"}), OK, False),
        (Question(golden(status=(503,))), ERROR, OK, False),
        (Question(golden(contains="shop")), OK, OK, False),
        (Question(golden(contains="bank")), OK, Answer(200, {}, b"bank"), True),
        (Question(golden(status=(200,))), ERROR, DEAD, True),
        # Wrong in the same way on both: the origin's fault.
        (Question(golden(status=(200,))), ERROR, ERROR, False),
        (Question(golden(status=(200,))), ERROR, Answer(502), True),
        (Question(golden(contains="bank")), OK, OK, False),
    ],
    ids=str,
)
def test_a_difference_is_what_the_release_is_to_blame_for(
    question: Question, candidate: Answer | Silence, stable: Answer | Silence, wrong: bool
) -> None:
    words = difference(question, candidate, stable)
    assert bool(words) is wrong
    if wrong:
        assert "shop.test" in words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("delayed_connect_error:_Connection_refused", "connection_refused"),
        ("TLS_error:|26:CERTIFICATE_VERIFY_FAILED", "TLS error:|26:CERTIFICATE VERIFY FAILED"),
        ("_" * 5_000, " " * STORY_VALUE_LENGTH_CHARS_MAX),
        ("", "connection_refused"),
    ],
    ids=lambda text: text[:20],
)
def test_what_kept_the_edge_from_its_origin_is_told(reason: str, words: str) -> None:
    details = f'details="upstream_reset_before_response_started{{{reason}}}; URX,UF"'
    cut = Answer(503, {"proxy-status": f"taste; error=connection_refused; {details}"})
    question = Question(golden(), implicit=True, route="shop/api")
    assert difference(question, cut, OK).endswith(f": 503 ({words}), stable: 200")


def test_a_redirect_that_goes_on_and_on_is_told_in_a_few_words() -> None:
    here, there = (Answer(301, {"location": f"/{way * 30_000}"}) for way in "ab")
    words = difference(Question(golden()), here, there)
    assert "location is /aaa" in words
    assert ", on stable: /bbb" in words
    assert len(words) < 2_000


def test_a_release_without_golden_requests_is_asked_for_the_start_of_each_site() -> None:
    (asked,) = questions(edge(80, "one"), (), edge(80, "one"))
    assert asked.implicit
    assert (asked.golden.path, asked.golden.host) == ("/", "golden.invalid")


def test_written_golden_requests_are_asked_and_nothing_else_of_their_site() -> None:
    (made,) = questions(edge(80, "one"), (), edge(80, "one"))
    written = Golden(made.golden.site, "shop.test", "/cart")
    assert questions(edge(80, "one"), (written,), edge(80, "one")) == (Question(written),)
    assert questions(whole(routes([answer("x")])), (), edge(80, "one")) != ()


def test_a_site_without_golden_requests_is_asked_for_its_start_though_another_has_some() -> None:
    written = Golden(SiteName("another"), "another.test", "/cart")
    first, made = questions(edge(80, "one"), (written,), edge(80, "one"))
    assert first == Question(written)
    assert made.implicit


@asynccontextmanager
async def slot(directory: Path, *answers: bytes) -> AsyncIterator[Path]:
    """A slot whose private socket gives these answers in turn, the last one for ever."""
    os.makedirs(directory, exist_ok=True)  # noqa: PTH103 - a test's own directory
    waiting = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(waiting.pop(0) if len(waiting) > 1 else waiting[0])
            await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(serve, directory / socket_name("http"))
    async with server:
        yield directory


def http(status: int, body: bytes = b"", *, head: str = "") -> bytes:
    lines = f"HTTP/1.1 {status} Words\r\ncontent-length: {len(body)}\r\n{head}\r\n"
    return lines.encode() + body


def asked(tmp_path: Path, raw: bytes, **options: object) -> Answer | Silence:
    async def tell() -> Answer | Silence:
        async with slot(tmp_path / "slot", raw) as directory:
            return await ask(
                directory / socket_name("http"), golden(**options), timeout_s=DEADLINE_S
            )

    return asyncio.run(tell())


def test_status_headers_and_the_first_of_the_body_are_read(tmp_path: Path) -> None:
    found = asked(tmp_path, http(200, b"welcome", head="Location: /a\r\n"), contains="we")
    assert found == Answer(200, {"content-length": "7", "location": "/a"}, b"welcome")


def test_a_chunked_body_is_joined(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    raw = head + b"3\r\nwel\r\n4;x=y\r\ncome\r\n0\r\n\r\n"
    found = asked(tmp_path, raw, contains="welcome")
    assert isinstance(found, Answer)
    assert found.body == b"welcome"


def test_early_hints_are_not_the_answer(tmp_path: Path) -> None:
    found = asked(tmp_path, b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + http(204))
    assert isinstance(found, Answer)
    assert found.status == 204


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    found = asked(tmp_path, http(302, head="location: http://elsewhere.test/\r\n"))
    assert isinstance(found, Answer)
    assert found.status == 302


def test_an_endless_body_is_cut(tmp_path: Path) -> None:
    body = b"a" * (4 * GOLDEN_BODY_SIZE_BYTES_MAX)
    found = asked(tmp_path, http(200, body), contains="b")
    assert isinstance(found, Answer)
    assert len(found.body) == GOLDEN_BODY_SIZE_BYTES_MAX


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "closed before the answer"),
        (b"SSH-2.0-x\r\n\r\n", "not a valid HTTP response"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", "headers over"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "invalid literal"),
    ],
    ids=["nothing", "no-http", "huge-head", "bad-chunk"],
)
def test_what_is_no_answer_is_a_silence_with_words(tmp_path: Path, raw: bytes, words: str) -> None:
    found = asked(tmp_path, raw, contains="x")
    assert isinstance(found, Silence)
    assert words in found.why


def test_a_silent_socket_and_a_missing_one_are_silences(tmp_path: Path) -> None:
    async def tell() -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_unix_server(hang, tmp_path / "hung")
        async with server:
            found = await ask(tmp_path / "hung", golden(), timeout_s=0.1)
            assert found == Silence("no answer in 0.1 s", late=True)
        assert isinstance(await ask(tmp_path / "nobody", golden()), Silence)

    asyncio.run(tell())


def test_an_https_request_names_its_host_in_the_handshake(tmp_path: Path) -> None:
    chain, key = TlsAuthority().issue("shop.test")
    (tmp_path / "chain.pem").write_bytes(chain)
    (tmp_path / "key.pem").write_bytes(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    named: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: named.append(name)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http(200))
        writer.close()

    async def tell() -> None:
        server = await asyncio.start_unix_server(serve, tmp_path / "tls", ssl=context)
        async with server:
            found = await ask(tmp_path / "tls", golden(https=True))
            assert isinstance(found, Answer)
            assert named == ["shop.test"]

    asyncio.run(tell())


def test_a_request_with_a_line_break_is_never_sent(tmp_path: Path) -> None:
    found = asked(tmp_path, http(200), headers=(("x-a", "1\r\nx-b: 2"),))
    assert found == Silence("the request holds characters that cannot be sent")


def test_a_mood_of_the_origin_is_no_difference(tmp_path: Path) -> None:
    async def tell() -> None:
        async with (
            slot(tmp_path / "c", http(503), http(200)) as candidate,
            slot(tmp_path / "s", http(200)) as stable,
        ):
            prober = Prober((Question(golden()),), candidate, stable)
            probes = await prober.round(10)
            assert (probes.asked, probes.differed) == (1, 0)

    asyncio.run(tell())


def test_a_lasting_difference_is_counted_with_words_and_a_step_begins_from_zero(
    tmp_path: Path,
) -> None:
    async def tell() -> None:
        async with (
            slot(tmp_path / "c", *[http(500)] * GOLDEN_ATTEMPTS_MAX) as candidate,
            slot(tmp_path / "s", http(200)) as stable,
        ):
            prober = Prober(
                (Question(golden()), Question(golden(status=(500,)))), candidate, stable
            )
            assert not prober.complete
            probes = await prober.round(10)
            assert prober.complete
            assert (probes.asked, probes.differed) == (2, 1)
            assert probes.first == "GET http://shop.test/ of shop: 500, stable: 200"
            prober.step()
            assert not prober.complete
            assert prober.probes.differed == 0

    asyncio.run(tell())


def test_a_candidate_that_hangs_is_asked_once_more_and_not_twice(tmp_path: Path) -> None:
    async def tell() -> None:
        asked = 0

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked += 1
            await reader.read()
            writer.close()

        candidate = tmp_path / "c"
        candidate.mkdir()
        hanging = await asyncio.start_unix_server(hang, candidate / socket_name("http"))
        async with hanging, slot(tmp_path / "s", http(200)) as stable:
            # Long enough for stable, which answers, on a machine that is busy.
            prober = Prober((Question(golden()),), candidate, stable, timeout_s=2)
            probes = await prober.round(10)
        assert (probes.asked, probes.differed) == (1, 1)
        assert probes.first.endswith("no answer in 2 s, stable: 200")
        assert asked == GOLDEN_LATE_ATTEMPTS_MAX < GOLDEN_ATTEMPTS_MAX

    asyncio.run(tell())


def test_the_way_of_a_change_is_tried_before_clients_come_and_not_again(tmp_path: Path) -> None:
    async def tell() -> None:
        async with slot(tmp_path / "c", http(200)) as one, slot(tmp_path / "s", http(200)) as two:
            way = Question(golden(), implicit=True, route="shop/api")
            prober = Prober((Question(golden()), way), one, two)
            assert (await prober.round(10)).asked == 2
            prober.step()
            prober.opened()
            assert (await prober.round(1)).asked == 1
            assert prober.complete
            alone = Prober((way,), one, two)
            alone.opened()
            assert (await alone.round(10)).asked == 0
            assert alone.complete

    asyncio.run(tell())


def test_rounds_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async def tell() -> None:
        async with slot(tmp_path / "c", http(200)) as one, slot(tmp_path / "s", http(200)) as two:
            many = tuple(Question(Golden(SITE, "shop.test", f"/{n}")) for n in range(5))
            prober = Prober(many, one, two)
            await prober.round(3)
            assert not prober.complete
            await prober.round(3)
            assert prober.complete
            assert prober.probes.asked == 5, "nothing is asked twice to make a step complete"
            await prober.round(3)
            assert prober.probes.asked == 8
            await prober.round(9)
            assert prober.probes.asked == 13

    asyncio.run(tell())
