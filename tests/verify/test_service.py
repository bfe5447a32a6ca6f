"""The bot service's verifying half, whole: Lua, files, DNS, keys, and its answers over a socket."""

import asyncio
import contextlib
import ipaddress
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dns.reversename
import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ed25519
from starlette.applications import Starlette

from dns_server import Zone, serving
from seawall import limits
from seawall.model import BotCategory
from seawall.tasks import Background
from seawall.verify.agent_url import WELL_KNOWN
from seawall.verify.app import verify_routes
from seawall.verify.catalogue import Bot, Catalogue, RangeSource, assemble, catalogue
from seawall.verify.claims import Claim, ClaimsBoard
from seawall.verify.directory import Directories
from seawall.verify.dns import Confirmation, Lookups
from seawall.verify.fetch import Fetcher
from seawall.verify.mapping import prefix
from seawall.verify.outcome import Outcome
from seawall.verify.ranges import parse, render
from seawall.verify.renewal import renew_list
from seawall.verify.service import SignatureAnswer, Verifier
from seawall.verify.settle import PrefixBudget, settle
from seawall.verify.verdicts import Verdict, VerdictTable
from verify import key_server, lua_side
from verify.hand_clock import HandClock
from verify.key_server import KeyServer
from verify.signing import AGENT, GET, NOW, document, sign

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
YANDEX = 7
GOOD, BAD, LOST = "77.88.5.1", "9.9.9.9", "8.8.4.4"
CRAWL = "spider-1.yandex.com."


@pytest.fixture(autouse=True)
def _long_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers late; only what never answers is waited for shortly."""
    monkeypatch.setattr(limits, "VERIFY_DNS_TIMEOUT_S", 20.0)
    monkeypatch.setattr(limits, "VERIFY_FETCH_TIMEOUT_S", 20.0)


def _zone() -> Zone:
    zone = Zone()
    zone.add(_pointer(GOOD), "PTR", CRAWL)
    zone.add(CRAWL, "A", GOOD)
    zone.add(_pointer(BAD), "PTR", "host.example.")
    zone.errors[_pointer(LOST)] = "SERVFAIL"
    return zone


def _pointer(address: str) -> str:
    return dns.reversename.from_address(address).to_text()


@dataclass
class Running:
    """A verifier at work, and its surroundings."""

    verifier: Verifier
    table: VerdictTable
    board: ClaimsBoard
    zone: Zone
    clock: HandClock
    lua: Any
    server: KeyServer

    async def settled(self, condition: Callable[[], object]) -> None:
        """Give the verifier its turns until `condition` holds."""
        async with asyncio.timeout(90):
            while not condition():  # noqa: ASYNC110 - counts of the verifier have no event
                await asyncio.sleep(0)

    def state(self, address: str, bot: int = YANDEX) -> str:
        found: str = self.lua.state(address, bot, self.clock.now_s())
        return found

    async def ask(self, address: str, bot: int = YANDEX) -> str:
        """What Lua says once its claim, if it made one, was looked up."""
        before = self.verifier.counts()
        written = self.lua.claims_written
        self.state(address, bot)
        if self.lua.claims_written > written:
            await self.settled(
                lambda: (
                    self.verifier.counts().claims > before.claims
                    and not self.verifier.counts().waiting
                )
            )
        return self.state(address, bot)


def _bots(origin: str) -> Catalogue:
    """The catalogue, with one more bot whose keys stand at the test's server."""
    known = catalogue()
    extra = Bot(
        500,
        "test-agent",
        BotCategory.OTHER,
        directory=origin + WELL_KNOWN,
        docs="https://a.example",
    )
    return assemble((*known.bots, extra), known.sources)


@contextlib.asynccontextmanager
async def running(folder: Path, *, run: bool = True) -> AsyncIterator[Running]:
    """A verifier with real files, a real DNS server and a real key server."""
    errors: list[BaseException] = []
    clock, server = HandClock(NOW + 1.0), KeyServer(body=document(ED))
    table = VerdictTable(folder / "verified.map", seed=1)
    board = ClaimsBoard(folder / "claims.map")

    async def loopback(_host: str) -> list[Any]:
        return [ipaddress.ip_address("127.0.0.1")]

    async with (
        serving(_zone()) as zone,
        key_server.serving(server, folder) as client,
        Background(lambda _name, error: errors.append(error)) as background,
    ):
        fetcher = Fetcher(loopback, client(), local_hosts=frozenset({server.local}))
        bots = _bots(server.origin)
        verifier = Verifier(
            bots,
            table=table,
            board=board,
            lookups=Lookups(zone.resolver(), clock),
            directories=Directories([*bots.by_directory], fetcher, background, clock),
            clock=clock,
        )
        work = asyncio.ensure_future(verifier.run() if run else asyncio.Event().wait())
        networks = parse(b"52.230.152.0/24", "text")
        lists = {name: render(name, networks, fetched_s=NOW) for name in bots.sources}
        lua = lua_side.load(lists, folder=folder, bots=bots)
        yield Running(verifier, table, board, zone, clock, lua, server)
        assert not work.done(), "nothing ends the verifier"
        work.cancel()
        await asyncio.wait([work])
    assert errors == []
    table.close()
    board.close()


def _tell(folder: Path, story: Callable[[Running], Awaitable[None]], *, run: bool = True) -> None:
    async def whole() -> None:
        async with running(folder, run=run) as made:
            await story(made)

    asyncio.run(whole())


def test_claims_become_verdicts(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        assert await r.ask(GOOD) == "verified"
        assert await r.ask(BAD) == "impostor"
        assert await r.ask(LOST) == "unknown"
        counts = r.verifier.counts()
        assert (counts.verified, counts.impostors, counts.unknown) == (1, 1, 1)
        asked = len(r.zone.asked)
        for address in (GOOD, BAD, LOST):
            await r.ask(address)
        assert len(r.zone.asked) == asked, "verdicts are not asked again before their time"

    _tell(tmp_path, story)


def test_every_bot_that_can_be_proven_has_its_impostors_found(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        for bot in catalogue().bots:
            # A second each: one claim of one client a second is written.
            r.clock.at_s += 1
            outcome = await r.ask(BAD, bot.number)
            excluded = bool(bot.hosts) or bot.only_ranges
            assert outcome == ("impostor" if excluded else "unknown"), bot.name
            if bot.ranges:
                assert await r.ask("52.230.152.1", bot.number) == "verified", bot.name

    _tell(tmp_path, story)


def test_dns_down_never_makes_a_verified_bot_an_impostor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(r: Running) -> None:
        assert await r.ask(GOOD) == "verified"
        r.zone.down = True
        monkeypatch.setattr(limits, "VERIFY_DNS_TIMEOUT_S", 0.2)
        end_s = r.clock.at_s + limits.VERIFY_VERDICT_TTL_S_MIN + limits.VERIFY_VERIFIED_STALE_S
        states = []
        while r.clock.at_s < end_s + 86_400:
            states.append((r.clock.at_s, await r.ask(GOOD)))
            r.clock.at_s += 16 * 3_600
        assert "impostor" not in {state for _, state in states}
        assert all(state == "verified" for at_s, state in states if at_s < end_s)
        assert states[-1][1] == "unknown"
        r.zone.down = False
        monkeypatch.setattr(limits, "VERIFY_DNS_TIMEOUT_S", 20.0)
        assert await r.ask(GOOD) == "verified"

    _tell(tmp_path, story)


@pytest.mark.parametrize("error", ["SERVFAIL", "REFUSED", "NXDOMAIN", "noise", "cut"])
def test_dns_that_errs_keeps_a_verified_bot_too(
    tmp_path: Path, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(r: Running) -> None:
        assert await r.ask(GOOD) == "verified"
        r.zone.errors[_pointer(GOOD)] = error
        if error in {"noise", "cut"}:
            monkeypatch.setattr(limits, "VERIFY_DNS_TIMEOUT_S", 0.3)
        for _ in range(3):
            r.clock.at_s += 86_400
            assert await r.ask(GOOD) == "verified"
        assert r.verifier.counts().unknown == 3

    _tell(tmp_path, story)


def test_a_definite_answer_ends_what_stood(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        assert await r.ask(GOOD) == "verified"
        r.zone.add(_pointer(GOOD), "PTR", "dyn-1.example.")
        r.clock.at_s += 86_400
        assert await r.ask(GOOD) == "impostor"
        r.zone.add(_pointer(GOOD), "PTR", CRAWL)
        r.clock.at_s += 86_400
        assert await r.ask(GOOD) == "verified"

    _tell(tmp_path, story)


def test_a_flood_is_cut_and_others_are_served(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        for number in range(2_000):
            r.board.put(Claim(ipaddress.ip_address(f"2001:db8:1::{number:x}"), YANDEX, NOW))
            if number % 4 == 3:
                before = r.verifier.counts().claims
                await r.settled(lambda seen=before: r.verifier.counts().claims > seen)
        assert await r.ask(GOOD) == "verified"
        counts = r.verifier.counts()
        assert counts.claims_limited > 1_000
        asked = {name for name, kind in r.zone.asked if "ip6" in name}
        assert len(asked) <= limits.VERIFY_DNS_PREFIX_QUESTIONS_MAX

    _tell(tmp_path, story)


def test_the_queue_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VERIFY_DNS_QUEUE_MAX", 5)

    async def story(r: Running) -> None:
        r.zone.down = True
        for number in range(50):
            r.board.put(Claim(ipaddress.ip_address(f"10.{number}.0.1"), YANDEX, NOW))
        await r.settled(lambda: r.verifier.counts().claims >= 40)
        counts = r.verifier.counts()
        assert counts.waiting <= 5
        assert counts.claims_dropped >= 35

    _tell(tmp_path, story)


def test_a_flood_from_many_networks_is_cut_too(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        for number in range(1_000):
            address = ipaddress.ip_address(f"10.{number % 250}.{number // 250}.1")
            r.board.put(Claim(address, YANDEX, NOW))
        await r.settled(lambda: r.verifier.counts().claims > 500)
        await r.settled(lambda: not r.verifier.counts().waiting)
        asked = [name for name, kind in r.zone.asked if kind == "PTR"]
        assert len(asked) == limits.VERIFY_DNS_LOOKUPS_PER_S_MAX
        r.clock.at_s += 1
        assert await r.ask(GOOD) == "verified"

    _tell(tmp_path, story)


def test_a_board_that_cannot_be_read_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: ClaimsBoard) -> list[Claim]:
        raise OSError("odd")

    async def story(r: Running) -> None:
        monkeypatch.setattr(ClaimsBoard, "take", broken)
        await r.settled(lambda: r.verifier.counts().errors > 2)
        monkeypatch.undo()
        assert await r.ask(GOOD) == "verified"

    _tell(tmp_path, story)


def test_noise_on_the_board_ends_nothing(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        chance = random.Random(2)
        words = r.board._file.words
        for place in range(16, len(words)):
            words[place] = chance.getrandbits(32)
        for bot in (0, 9, 51, 60_000, 65_535):
            r.board.put(Claim(ipaddress.ip_address("1.2.3.4"), bot, NOW))
        await r.settled(lambda: r.verifier.counts().claims_broken > 4_000)
        assert await r.ask(GOOD) == "verified"

    _tell(tmp_path, story)


def test_a_look_up_that_fails_oddly_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> Confirmation:
        raise KeyError("odd")

    async def story(r: Running) -> None:
        monkeypatch.setattr(Lookups, "confirm", broken)
        assert await r.ask(BAD) == "unknown"
        assert r.verifier.counts().errors == 1
        monkeypatch.undo()
        r.clock.at_s += 1
        assert await r.ask(GOOD) == "verified"

    _tell(tmp_path, story)


def test_verdicts_are_settled_by_what_is_definite() -> None:
    unknown = Confirmation(Outcome.UNKNOWN, 0.0, "")
    first = settle(None, unknown, now_s=NOW)
    assert first == Verdict(Outcome.UNKNOWN, NOW + 120, NOW + 120)
    good = settle(first, Confirmation(Outcome.VERIFIED, 1.0, ""), now_s=NOW)
    assert good.expires_s == NOW + limits.VERIFY_VERDICT_TTL_S_MIN
    kept = settle(good, unknown, now_s=NOW + 1_000)
    assert kept == Verdict(Outcome.VERIFIED, NOW + 1_120, good.stale_s)
    assert settle(good, unknown, now_s=good.stale_s).outcome is Outcome.UNKNOWN
    late = settle(good, unknown, now_s=good.stale_s - 1)
    assert late.expires_s == late.stale_s == good.stale_s
    bad = settle(good, Confirmation(Outcome.IMPOSTOR, 10**9, ""), now_s=NOW)
    assert bad.expires_s == NOW + limits.VERIFY_VERDICT_TTL_S_MAX
    assert bad.stale_s == bad.expires_s + limits.VERIFY_IMPOSTOR_STALE_S


def test_the_budget_of_a_prefix_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VERIFY_DNS_PREFIXES_MAX", 3)
    budget = PrefixBudget()
    net = prefix(ipaddress.ip_address("192.0.2.1"))
    most = limits.VERIFY_DNS_PREFIX_QUESTIONS_MAX
    assert [budget.allows(net, now_s=5) for _ in range(most + 5)] == [True] * most + [False] * 5
    assert budget.allows(net, now_s=5 + limits.VERIFY_DNS_PREFIX_WINDOW_S)
    for number in range(10):
        assert budget.allows(prefix(ipaddress.ip_address(f"10.0.{number}.1")), now_s=6)
    assert len(budget._spent) == 3


def _signed(r: Running, private: Any = ED) -> Any:
    agent = f'sig="{r.server.origin}"'
    return sign(private, agent=agent, values={'"signature-agent";key="sig"': agent[4:]})


def test_signatures_are_answered(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        good = _signed(r)
        answer = await r.verifier.signature(good)
        assert answer == SignatureAnswer(Outcome.VERIFIED, "test-agent", "")
        assert answer.text() == "verified test-agent"
        elsewhere = await r.verifier.signature(replace(good, authority="other.example"))
        assert elsewhere.text() == "impostor test-agent"
        stranger = await r.verifier.signature(_signed(r, OTHER))
        assert stranger.text() == "unknown test-agent key-not-listed"
        unlisted = await r.verifier.signature(sign(ED))
        assert unlisted.text() == "unknown - directory-not-listed"
        assert AGENT + WELL_KNOWN not in catalogue().by_directory
        assert (await r.verifier.signature(GET)).text() == "unknown - no-signature"
        counts = r.verifier.counts()
        assert counts.signatures_verified == counts.signatures_impostors == 1
        assert counts.signatures_unknown == 3
        assert counts.directory_fetches == 1

    _tell(tmp_path, story, run=False)


def test_keys_that_cannot_be_fetched_prove_nothing(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        r.server.status = "500 Error"
        answer = await r.verifier.signature(_signed(r))
        assert answer.text() == "unknown test-agent directory-unreachable"
        assert r.verifier.counts().directory_failures == 1

    _tell(tmp_path, story, run=False)


def test_only_so_many_signatures_are_answered_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SIGNATURE_QUESTIONS_MAX", 3)

    async def story(r: Running) -> None:
        r.server.hold = asyncio.Event()
        asks = [asyncio.ensure_future(r.verifier.signature(_signed(r))) for _ in range(10)]
        await r.server.asked.wait()
        r.server.hold.set()
        texts = sorted([answer.text() for answer in await asyncio.gather(*asks)])
        assert texts == ["unknown - busy"] * 7 + ["verified test-agent"] * 3

    _tell(tmp_path, story, run=False)


@contextlib.asynccontextmanager
async def served(verifier: Verifier, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The routes on a real Unix socket."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "bots.sock"))
    listener.listen()
    config = uvicorn.Config(
        Starlette(routes=verify_routes(verifier)), log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment] # - pytest has the signals
    serving_ = asyncio.ensure_future(server.serve(sockets=[listener]))
    transport = httpx.AsyncHTTPTransport(uds=str(folder / "bots.sock"))
    async with httpx.AsyncClient(transport=transport, base_url="http://bots", timeout=30) as client:
        yield client
    server.should_exit = True
    await serving_


def test_envoys_question_is_answered_over_the_socket(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        async with served(r.verifier, tmp_path) as client:
            covered = '"@authority" "signature-agent";key="sig" "user-agent" "@query"'
            agent = f'sig="{r.server.origin}"'
            values = {'"signature-agent";key="sig"': agent[4:]}
            request = sign(ED, covered=covered, agent=agent, values=values)
            parts = ("GET", "https", "shop.example", "/a?b=1")
            asked = r.lua.question(*parts, request.headers.get)
            headers = {name: value for name, value in asked.items() if not name.startswith(":")}
            answer = await client.post(asked[":path"], headers=headers)
            assert (answer.status_code, answer.text) == (200, "verified test-agent")
            assert r.lua.answer(answer.text) == ("verified", "test-agent")
            headers["x-seawall-sig-path"] = "/a?b=2"
            answer = await client.post("/internal/signature", headers=headers)
            assert r.lua.answer(answer.text) == ("impostor", "test-agent")
            for bad in (
                {},
                {"x-seawall-sig-method": "GET"},
                headers | {f"x-seawall-sig-h-a{n}": "b" for n in range(60)},
            ):
                answer = await client.post("/internal/signature", headers=bad)
                assert (answer.status_code, answer.text) == (200, "unknown - no-question")
            assert (await client.get("/internal/signature")).status_code == 405

    _tell(tmp_path, story, run=False)


def test_lua_asks_only_about_signed_requests_and_keeps_secrets() -> None:
    lua = lua_side.load()
    request = sign(ED, covered='"@authority" "signature-agent";key="sig" "cookie" "x-a"')
    headers = dict(request.headers) | {"cookie": "secret", "x-a": "1", "x-b": "2"}
    asked = lua.question("GET", "https", "shop.example", "/", headers.get)
    assert "secret" not in set(asked.values())
    assert asked["x-seawall-sig-h-x-a"] == "1"
    assert asked["x-seawall-sig-h-x-b"] is None
    assert lua.question("GET", "https", "a", "/", {}.get) is None
    other = {"signature-input": 'a=("@method");tag="other"', "signature": "a=:AA==:"}
    assert lua.question("GET", "https", "a", "/", other.get) is None
    for body in (None, "", "verified", "nonsense name", "verified ", "VERIFIED x", 5):
        assert lua.answer(body)[0] == "unknown"
    assert lua.answer("upstream connect error or disconnect") == ("unknown", None)
    assert lua.answer("unknown - busy") == ("unknown", None)
    assert lua.answer("unknown test-agent key-not-listed") == ("unknown", "test-agent")


def test_ranges_are_fetched_whole_or_stay(tmp_path: Path) -> None:
    async def story(r: Running) -> None:
        fetcher = r.verifier._directories._fetcher
        urls = (f"{r.server.origin}/4", f"{r.server.origin}/6")
        source = RangeSource("probes", urls, "text")
        r.server.body = b"5.9.1.0/24\n"
        done = await renew_list(source, None, fetcher, now_s=NOW)
        assert done.content is not None
        assert done.content.endswith("\n5.9.1.0/24\n")
        r.server.status = "404 Not Found"
        gone = await renew_list(source, None, fetcher, now_s=NOW)
        assert gone.content is None
        assert "it answers 404" in gone.alarm

    _tell(tmp_path, story, run=False)
