"""Reverse DNS with forward confirmation against a real server on loopback."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import dns.reversename
import pytest

from dns_server import Zone, serving
from seawall import limits
from seawall.verify.dns import Confirmation, Lookups, host_matches
from seawall.verify.outcome import Outcome
from verify.hand_clock import HandClock

GOOGLE = ("googlebot.com", "rate-limited-proxy-*.google.com")
V4 = ipaddress.ip_address("66.249.66.1")
V6 = ipaddress.ip_address("2001:4860:4801:10::1")
CRAWL = "crawl-66-249-66-1.googlebot.com."


@pytest.fixture(autouse=True)
def _long_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers late; only what never answers is waited for shortly."""
    monkeypatch.setattr(limits, "VERIFY_DNS_TIMEOUT_S", 20.0)


def _pointer(address: Any) -> str:
    return dns.reversename.from_address(str(address)).to_text()


def _with(zone: Zone, ask: Callable[[Lookups], Awaitable[Any]]) -> Any:
    async def story() -> Any:
        async with serving(zone):
            return await ask(Lookups(zone.resolver(), HandClock()))

    return asyncio.run(story())


def _confirm(zone: Zone, address: Any = V4) -> Confirmation:
    found: Confirmation = _with(zone, lambda lookups: lookups.confirm(address, GOOGLE))
    return found


def _zone(*names: str, address: Any = V4, forward: dict[str, list[str]] | None = None) -> Zone:
    zone = Zone()
    zone.add(_pointer(address), "PTR", *names)
    kind = "A" if address.version == 4 else "AAAA"
    for name, values in (forward or {}).items():
        zone.add(name, kind, *values)
    return zone


@pytest.mark.parametrize(
    ("host", "pattern", "matches"),
    [
        ("googlebot.com", "googlebot.com", True),
        ("crawl-1.googlebot.com", "googlebot.com", True),
        ("CRAWL-1.GoogleBot.COM.", "googlebot.com", True),
        ("a.geo.googlebot.com", "googlebot.com", True),
        ("evilgooglebot.com", "googlebot.com", False),
        ("googlebot.com.evil.tld", "googlebot.com", False),
        ("googlebot.com..", "googlebot.com", False),
        ("com", "googlebot.com", False),
        ("", "googlebot.com", False),
        ("rate-limited-proxy-1.google.com", "rate-limited-proxy-*.google.com", True),
        ("rate-limited-proxy-1.a.google.com", "rate-limited-proxy-*.google.com", True),
        ("proxy-1.google.com", "rate-limited-proxy-*.google.com", False),
        ("rate-limited-proxy-1.evilgoogle.com", "rate-limited-proxy-*.google.com", False),
        ("rate-limited-proxy-1.google.com.evil.tld", "rate-limited-proxy-*.google.com", False),
    ],
)
def test_names_match_at_dots_only(host: str, pattern: str, *, matches: bool) -> None:
    assert host_matches(host, pattern) is matches


@pytest.mark.parametrize("address", [V4, V6])
def test_a_name_that_leads_back_verifies(address: Any) -> None:
    other = "66.249.66.2" if address.version == 4 else "2001:4860:4801:10::2"
    zone = _zone(CRAWL, address=address, forward={CRAWL: [other, str(address)]})
    found = _confirm(zone, address)
    assert (found.outcome, found.ttl_s) == (Outcome.VERIFIED, 300)
    assert zone.asked[0][0].count(".") == (6 if address.version == 4 else 34)


def test_upper_case_is_the_same_name() -> None:
    zone = _zone("CRAWL-66-249-66-1.GoogleBot.COM.", forward={CRAWL: [str(V4)]})
    assert _confirm(zone).outcome is Outcome.VERIFIED


def test_one_good_name_among_several_is_enough() -> None:
    zone = _zone("a.example.", "b.googlebot.com.", CRAWL, forward={CRAWL: [str(V4)]})
    zone.errors["b.googlebot.com."] = "SERVFAIL"
    assert _confirm(zone).outcome is Outcome.VERIFIED


@pytest.mark.parametrize(
    "names",
    [
        ["googlebot.com.evil.tld."],
        ["evilgooglebot.com."],
        ["host.example."],
        ["a.example.", "b.example."],
        ["crawl-1\\.googlebot.com.evil.tld."],
        ["googlebot\\046com."],
        ["\\000.evil.tld."],
        ["."],
    ],
)
def test_a_name_of_somebody_else_is_an_impostor(names: list[str]) -> None:
    zone = _zone(*names, forward={name: [str(V4)] for name in names})
    assert _confirm(zone).outcome is Outcome.IMPOSTOR
    assert all(kind == "PTR" for _, kind in zone.asked)


def test_a_name_that_leads_elsewhere_is_an_impostor() -> None:
    zone = _zone(CRAWL, forward={CRAWL: ["66.249.66.2"]})
    assert _confirm(zone).outcome is Outcome.IMPOSTOR


@pytest.mark.parametrize("error", ["SERVFAIL", "REFUSED", "silence", "noise", "cut", "NXDOMAIN"])
@pytest.mark.parametrize("where", ["address", "name"])
def test_an_answer_that_is_none_excludes_nobody(
    error: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if error in {"silence", "noise", "cut"}:
        monkeypatch.setattr(limits, "VERIFY_DNS_TIMEOUT_S", 0.3)
    zone = _zone(CRAWL, forward={CRAWL: [str(V4)]})
    zone.errors[_pointer(V4) if where == "address" else CRAWL] = error
    assert _confirm(zone).outcome is Outcome.UNKNOWN


def test_missing_records_exclude_nobody() -> None:
    assert _confirm(Zone()).outcome is Outcome.UNKNOWN


def test_a_record_that_was_forgotten_is_seen_soon_after_it_is_made() -> None:
    zone, clock = Zone(nothing_s=86_400), HandClock()
    zone.add(_pointer(V4), "TXT", "no pointer")
    zone.add(CRAWL, "A", str(V4))

    async def story() -> tuple[Confirmation, Confirmation]:
        async with serving(zone):
            lookups = Lookups(zone.resolver(), clock)
            before = await lookups.confirm(V4, GOOGLE)
            zone.add(_pointer(V4), "PTR", CRAWL)
            clock.at_s += limits.VERIFY_DNS_CACHE_TTL_S_MIN + 1
            return before, await lookups.confirm(V4, GOOGLE)

    before, after = asyncio.run(story())
    assert (before.outcome, after.outcome) == (Outcome.UNKNOWN, Outcome.VERIFIED)
    zone = _zone(CRAWL)
    assert _confirm(zone).outcome is Outcome.UNKNOWN
    zone = _zone(CRAWL)
    zone.add(CRAWL, "TXT", '"no address"')
    assert _confirm(zone).outcome is Outcome.UNKNOWN


def test_a_truncated_answer_is_asked_again_over_tcp() -> None:
    zone = _zone(CRAWL, forward={CRAWL: [str(V4)]})
    zone.errors[CRAWL] = "truncate"
    assert _confirm(zone).outcome is Outcome.VERIFIED


def test_huge_answers_are_cut_and_exclude_nobody() -> None:
    many = [f"10.0.{number // 250}.{number % 250}" for number in range(2_000)]
    zone = _zone(CRAWL, forward={CRAWL: many})
    assert _confirm(zone).outcome is Outcome.UNKNOWN
    names = [f"n{number}.example." for number in range(500)]
    assert _confirm(_zone(*names)).outcome is Outcome.UNKNOWN
    assert _confirm(_zone(*names[: limits.VERIFY_DNS_NAMES_MAX])).outcome is Outcome.IMPOSTOR


def test_aliases_are_followed_and_loops_end() -> None:
    zone = _zone(CRAWL)
    zone.add(CRAWL, "CNAME", "other.googlebot.com.")
    zone.add("other.googlebot.com.", "A", str(V4))
    assert _confirm(zone).outcome is Outcome.VERIFIED
    zone = _zone(CRAWL)
    zone.add(CRAWL, "CNAME", "other.googlebot.com.")
    zone.add("other.googlebot.com.", "CNAME", CRAWL)
    assert _confirm(zone).outcome is Outcome.UNKNOWN
    delegated = Zone()
    delegated.add(_pointer(V4), "CNAME", "1.0-25.66.249.66.in-addr.arpa.")
    delegated.add("1.0-25.66.249.66.in-addr.arpa.", "PTR", CRAWL)
    delegated.add(CRAWL, "A", str(V4))
    assert _confirm(delegated).outcome is Outcome.VERIFIED


@pytest.mark.parametrize(("ttl", "held"), [(0, 60), (300, 300), (10**6, 86_400)])
def test_answers_are_kept_by_their_ttl_within_bounds(ttl: int, held: int) -> None:
    zone = Zone()
    zone.add(_pointer(V4), "PTR", CRAWL, ttl=ttl)
    zone.add(CRAWL, "A", str(V4), ttl=ttl)

    async def story() -> None:
        clock = HandClock()
        async with serving(zone):
            lookups = Lookups(zone.resolver(), clock)
            assert (await lookups.confirm(V4, GOOGLE)).ttl_s == held
            clock.at_s += held - 1
            await lookups.confirm(V4, GOOGLE)
            assert lookups.asked == 2
            clock.at_s += 2
            await lookups.confirm(V4, GOOGLE)
            assert lookups.asked == 4

    asyncio.run(story())


def test_silence_is_not_remembered() -> None:
    zone = _zone(CRAWL, forward={CRAWL: [str(V4)]})
    zone.errors[_pointer(V4)] = "SERVFAIL"

    async def story() -> None:
        async with serving(zone):
            lookups = Lookups(zone.resolver(), HandClock())
            assert (await lookups.confirm(V4, GOOGLE)).outcome is Outcome.UNKNOWN
            zone.errors.clear()
            assert (await lookups.confirm(V4, GOOGLE)).outcome is Outcome.VERIFIED

    asyncio.run(story())


def test_the_memory_of_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VERIFY_DNS_CACHE_MAX", 5)
    zone = Zone()

    async def story() -> None:
        async with serving(zone):
            lookups = Lookups(zone.resolver(), HandClock())
            for number in range(20):
                await lookups.confirm(ipaddress.ip_address(f"10.0.0.{number}"), GOOGLE)
            assert len(lookups._answers) == 5

    asyncio.run(story())


def test_addresses_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    zone = Zone()
    zone.add("keys.example.", "A", "192.0.2.1")
    zone.add("keys.example.", "AAAA", "2001:db8::1")
    found = _with(zone, lambda lookups: lookups.addresses("keys.example"))
    assert [str(address) for address in found] == ["192.0.2.1", "2001:db8::1"]
    assert _with(zone, lambda lookups: lookups.addresses("gone.example")) == []
    zone.down = True
    monkeypatch.setattr(limits, "VERIFY_DNS_TIMEOUT_S", 0.3)
    with pytest.raises(OSError, match="no answer"):
        _with(zone, lambda lookups: lookups.addresses("keys.example"))
