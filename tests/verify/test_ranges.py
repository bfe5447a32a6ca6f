"""Published ranges: an operator's list to a release, what is not taken, and the search in Lua."""

import ipaddress
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall import limits
from seawall.errors import RefusedError
from seawall.verify.catalogue import RangeSource, catalogue
from seawall.verify.lua import quote
from seawall.verify.lua import render as render_lua
from seawall.verify.ranges import RangeList, failed, known, parse, render, renew
from verify import lua_side

NOW = 1_800_000_000
DAY = 86_400
GPTBOT, CHATGPT_USER, BINGBOT, GOOGLE_AGENT = 21, 42, 4, 47


SOURCE = RangeSource("gptbot", ("https://openai.example/gptbot.json",), "json")


def _json(*prefixes: str, **more: Any) -> bytes:
    entries = [{"ipv6Prefix" if ":" in text else "ipv4Prefix": text} for text in prefixes]
    return json.dumps({"creationTime": "2026-11-27T23:00:00", "prefixes": entries} | more).encode()


def _list(*networks: str, age_s: float = 0, name: str = "gptbot") -> RangeList:
    found = parse("\n".join(networks).encode(), "text")
    return RangeList(name, found, int(NOW - age_s))


def test_an_operators_json_becomes_canonical_networks() -> None:
    body = _json("66.249.64.32/27", "66.249.64.0/27", "2001:4860:4801:10::/64", "66.249.64.0/28")
    assert [*map(str, parse(body, "json"))] == ["66.249.64.0/26", "2001:4860:4801:10::/64"]


def test_plain_text_with_comments_and_single_addresses() -> None:
    body = b"\xef\xbb\xbf# probes\r\n\r\n 5.9.1.1 \r\n2a01:4f8::1\r\n5.9.1.0/32\n"
    assert [*map(str, parse(body, "text"))] == ["5.9.1.0/31", "2a01:4f8::1/128"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"prefixes": {}}',
        b'{"prefixes": []}',
        b'{"prefixes": [5]}',
        b'{"prefixes": [{}]}',
        b'{"prefixes": [{"ipv4Prefix": 5}]}',
        b'{"prefixes": [{"prefix": "1.1.1.0/24"}]}',
        b'{"prefixes": [{"ipv4Prefix": "1.1.1.0/24"}], "prefixes": []}',
        _json("1.1.1.1/24"),
        _json("1.1.1.0/33"),
        _json("one"),
        _json("0.0.0.0/0"),
        _json("::/0"),
        _json("2000::/3"),
        _json("64.0.0.0/7"),
        _json("10.0.0.0/8"),
        _json("127.0.0.1/32"),
        _json("192.168.1.0/24"),
        _json("169.254.169.254/32"),
        _json("224.0.0.0/8"),
        _json("fe80::/64"),
        _json("fc00::/32"),
        _json("1.1.1.0/24", "10.1.0.0/16"),
        _json(
            *(f"1.{n // 250}.{n % 250}.0/25" for n in range(limits.VERIFY_RANGES_PER_LIST_MAX + 1))
        ),
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"prefixes": [{"ipv4Prefix": "1.1.1.0/24"}]',
        b" " * (limits.VERIFY_RANGES_BODY_SIZE_BYTES_MAX + 1),
    ],
    ids=lambda body: repr(body[:50]),
)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        parse(body, "json")
    assert refused.value.code == "bot-ranges-refused"


@pytest.mark.parametrize(
    "body", [b"", b"# nothing\n", b"<html>", b"1.1.1.0/24, 1.1.2.0/24", b"\x00"]
)
def test_text_that_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError):
        parse(body, "text")


def test_a_first_list_is_released_with_its_date() -> None:
    done = renew(SOURCE, None, [_json("52.230.152.0/24")], now_s=NOW + 0.5)
    assert done.alarm == ""
    assert done.content == (
        f"# seawall ranges 1\n# list: gptbot\n# fetched: {NOW}\n52.230.152.0/24\n"
    )
    assert known("gptbot", done.content.encode()) == _list("52.230.152.0/24")


def test_an_unchanged_list_is_released_again_only_to_renew_its_date() -> None:
    body = _json("52.230.152.0/24")
    young = _list("52.230.152.0/24", age_s=limits.VERIFY_RANGES_REDATE_S - 1)
    assert renew(SOURCE, young, [body], now_s=NOW).content is None
    old = _list("52.230.152.0/24", age_s=limits.VERIFY_RANGES_REDATE_S)
    again = renew(SOURCE, old, [body], now_s=NOW)
    assert again.content is not None
    assert known("gptbot", again.content.encode()).fetched_s == NOW


def test_a_changed_list_is_released() -> None:
    old = _list("52.230.152.0/24")
    done = renew(SOURCE, old, [_json("52.230.152.0/24", "52.233.106.0/24")], now_s=NOW)
    assert done.content is not None
    assert len(known("gptbot", done.content.encode()).networks) == 2


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no list|Expecting value"),
        (_json(), "empty"),
        (_json("52.230.152.0/26"), "75% of its IPv4 addresses are gone"),
        (_json("52.230.153.0/24"), "100% of its IPv4 addresses are gone"),
        (_json("52.230.152.0/24"), "100% of its IPv6 addresses are gone"),
        (_json("52.0.0.0/8", "2a01:4f8::/64"), "times as many IPv4 addresses"),
        (_json("52.230.152.0/24", "2a01:4f8::/32"), "times as many IPv6 addresses"),
    ],
    ids=range(7),
)
def test_a_list_that_lost_or_won_too_much_is_not_taken(body: bytes, words: str) -> None:
    old = _list("52.230.152.0/24", "2a01:4f8::/64", age_s=3 * DAY)
    if "IPv4" in words and "gone" in words:
        old = _list("52.230.152.0/24", age_s=3 * DAY)
    done = renew(SOURCE, old, [body], now_s=NOW)
    assert done.content is None
    assert done.alarm.startswith("The ranges gptbot are 3.0 days old, they stay in use: ")
    assert any(word in done.alarm for word in words.split("|"))


def test_the_parts_of_a_list_are_one_list() -> None:
    parts = [_json("52.230.152.0/24"), _json("2a01:4f8::/64", "52.230.153.0/24")]
    done = renew(SOURCE, None, parts, now_s=NOW)
    assert done.content is not None
    assert known("gptbot", done.content.encode()) == _list("52.230.152.0/23", "2a01:4f8::/64")
    assert renew(SOURCE, None, [parts[0], _json()], now_s=NOW).content is None
    assert renew(SOURCE, None, [], now_s=NOW).content is None


def test_half_of_the_addresses_may_go() -> None:
    old = _list("52.230.152.0/24")
    assert renew(SOURCE, old, [_json("52.230.152.0/25")], now_s=NOW).content is not None


def test_a_fetch_that_fails_leaves_the_list_and_tells_its_age() -> None:
    fresh = failed("gptbot", _list("52.230.152.0/24", age_s=2 * DAY), "no answer", now_s=NOW)
    assert fresh.content is None
    assert fresh.alarm == "The ranges gptbot are 2.0 days old, they stay in use: no answer"
    stale = failed("gptbot", _list("52.230.152.0/24", age_s=20 * DAY), "no answer", now_s=NOW)
    assert "they still verify bots, but no longer expose impostors" in stale.alarm
    assert "never fetched" in failed("gptbot", None, "no answer", now_s=NOW).alarm


def _lua(*lists: RangeList) -> Any:
    texts = {one.name: render(one.name, one.networks, fetched_s=one.fetched_s) for one in lists}
    return lua_side.load(texts)


def test_lua_tells_inside_from_outside() -> None:
    lua = _lua(_list("52.230.152.0/24", "2a01:4f8::/64"))
    for text, outcome in {
        "52.230.152.0": "verified",
        "52.230.152.255": "verified",
        "52.230.153.0": "impostor",
        "52.230.151.255": "impostor",
        "2a01:4f8::1": "verified",
        "2a01:4f8:0:1::": "impostor",
        "::ffff:52.230.152.9": "verified",
        "127.0.0.1": "impostor",
    }.items():
        assert lua.state(text, GPTBOT, NOW) == outcome, text


def test_a_stale_list_still_verifies_but_makes_no_impostor() -> None:
    lua = _lua(_list("52.230.152.0/24"))
    edge = NOW + limits.VERIFY_RANGES_STALE_S
    assert lua.state("52.230.152.1", GPTBOT, edge + 1) == "verified"
    assert lua.state("9.9.9.9", GPTBOT, edge) == "impostor"
    assert lua.state("9.9.9.9", GPTBOT, edge + 1) == "unknown"
    assert lua.state("9.9.9.9", GPTBOT, NOW - 2 * DAY) == "unknown", "a date in the future"


def test_no_list_or_a_broken_one_makes_no_impostor() -> None:
    assert _lua().state("9.9.9.9", GPTBOT, NOW) == "unknown"
    for text in (
        "",
        "# seawall ranges 1\n",
        f"# fetched: {NOW}\n",
        f"# fetched: {NOW}\n52.230.152.0/24\nnonsense\n",
        f"# fetched: {NOW}\n52.230.152.0/99\n",
        f"# fetched: {NOW}\n2a01::/129\n",
        "52.230.152.0/24\n",
    ):
        lua = lua_side.load({"gptbot": text})
        assert lua.state("9.9.9.9", GPTBOT, NOW) == "unknown", text


def test_a_bot_with_another_proof_is_no_impostor_by_its_ranges() -> None:
    lua = _lua(_list("40.77.167.0/24", name="bingbot"), _list("52.1.1.0/24", name="google-agent"))
    assert lua.state("40.77.167.1", BINGBOT, NOW) == "verified"
    assert lua.state("9.9.9.9", BINGBOT, NOW) == "unknown", "reverse DNS may still prove it"
    assert lua.state("9.9.9.9", GOOGLE_AGENT, NOW) == "unknown", "a signature may still prove it"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_lua_agrees_with_python_about_random_lists(seed: int, count: int) -> None:
    chance = random.Random(seed)
    texts = []
    for _ in range(count):
        if chance.random() < 0.5:
            address = ipaddress.ip_address(0x34000000 + chance.getrandbits(12))
            texts.append(str(ipaddress.ip_network((address, chance.randint(20, 32)), strict=False)))
        else:
            wide = ipaddress.ip_address(0x2A0104F8 << 96 | chance.getrandbits(70))
            texts.append(str(ipaddress.ip_network((wide, chance.randint(32, 128)), strict=False)))
    made = _list(*texts)
    lua = _lua(made)
    for network in made.networks:
        for value in (-1, 0, 1):
            for edge in (network.network_address, network.broadcast_address):
                address = edge + value
                inside = any(
                    address in other for other in made.networks if other.version == address.version
                )
                expected = "verified" if inside else "impostor"
                assert lua.state(str(address), GPTBOT, NOW) == expected, (address, texts)


def test_lists_that_were_not_sorted_are_read_all_the_same() -> None:
    text = f"# fetched: {NOW}\n52.9.0.0/16\n52.1.0.0/16\n52.1.2.0/24\n52.1.0.0/15\n2a01::/32\n"
    lua = lua_side.load({"gptbot": text})
    for address in ("52.9.1.1", "52.0.9.9", "52.1.2.3", "52.1.255.255", "2a01::1"):
        assert lua.state(address, GPTBOT, NOW) == "verified"
    assert lua.state("52.2.0.0", GPTBOT, NOW) == "impostor"


def test_no_text_becomes_code_in_lua() -> None:
    evil = 'x"}, os.exit(), {"\\"]] --[[\n\r\x00é%'
    lua = lua_side.load({evil: evil, "gptbot": evil})
    assert lua.state("9.9.9.9", GPTBOT, NOW) == "unknown"
    assert quote(evil).isascii()
    assert "\n" not in quote(evil)


def test_more_than_a_filter_should_hold_is_refused() -> None:
    with pytest.raises(RefusedError):
        render_lua(catalogue(), {"gptbot": "x" * limits.VERIFY_LUA_SIZE_BYTES_MAX})
