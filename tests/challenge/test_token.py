"""One decision in two languages: whatever Python says of a token, Lua says too."""

import math
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.lua_clearance import BOUND, KEYS, NOW_S, LuaClearance
from seawall import limits
from seawall.challenge.binding import Bound, bound_host, mac
from seawall.challenge.token import Clearance, Refusal, RefusalReason, check, mint
from seawall.errors import SeawallError, UsageError
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.secret import Secret

EPOCH = 7
LUA = LuaClearance(EPOCH)
ALPHABET = string.ascii_letters + string.digits + "-_."


def minted(**changes: Any) -> str:
    fields: dict[str, Any] = {
        "level": 2,
        "epoch": EPOCH,
        "now_s": NOW_S,
        "lifetime_s": 3600,
        "nonce": "AbCdEfGh12345-_x",
        "probes": 5,
    }
    keys = changes.pop("keys", KEYS)
    bound = changes.pop("bound", BOUND)
    return mint(keys, bound, **(fields | changes))


def both(text: str, bound: Bound = BOUND, now_s: float = NOW_S) -> Clearance | Refusal:
    """Python's answer, which Lua's must equal."""
    python = check(text, KEYS, bound, epoch=EPOCH, now_s=now_s)
    level, reason, probes = LUA.check(text, bound.host, bound.prefix, bound.ja4, now_s)
    if isinstance(python, Clearance):
        assert (level, reason, probes) == (python.level, None, python.probes), text
    else:
        assert (level, reason) == (None, python.reason.value), text
    return python


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize("probes", [None, 0, 1, limits.CLEARANCE_PROBES_MAX])
def test_a_minted_token_clears_what_it_is_bound_to(level: int, probes: int | None) -> None:
    text = minted(level=level, probes=probes)
    for _ in range(2):  # the second time from Lua's memory
        found = both(text)
        assert isinstance(found, Clearance)
        assert (found.level, found.probes) == (level, probes)
    assert len(text) <= limits.CLEARANCE_TEXT_LENGTH_CHARS_MAX


def test_the_longest_token_fits_its_bound() -> None:
    keys = ClearanceKeys(ClearanceKey("k" * 8, Secret(bytes(32))))
    text = minted(keys=keys, now_s=9e10, epoch=99_999_999_999, probes=limits.CLEARANCE_PROBES_MAX)
    assert len(text) <= limits.CLEARANCE_TEXT_LENGTH_CHARS_MAX
    assert isinstance(check(text, keys, BOUND, epoch=99_999_999_999, now_s=9e10), Clearance)


def test_both_live_keys_verify_and_a_third_does_not() -> None:
    older = KEYS.previous
    assert older is not None
    assert isinstance(both(minted(keys=ClearanceKeys(older))), Clearance)
    gone = ClearanceKeys(ClearanceKey("k0", Secret(bytes(32))))
    assert both(minted(keys=gone)) == Refusal(RefusalReason.KEY)
    # Same name, other bytes.
    forged = ClearanceKeys(ClearanceKey("k2", Secret(bytes(32))))
    assert both(minted(keys=forged)) == Refusal(RefusalReason.MAC)


def test_host_is_compared_as_a_cookie_would() -> None:
    text = minted()
    for host in ("Shop.Example", "shop.example:8443", "SHOP.EXAMPLE:"):
        assert isinstance(both(text, replace(BOUND, host=host)), Clearance)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("A.example:80", "a.example"),
        ("[2001:DB8::1]:443", "[2001:db8::1]"),
        ("[::1]", "[::1]"),
        (":80", ":80"),
        ("80", "80"),
        ("", ""),
        ("a:b", "a:b"),
        ("É.example", "É.example"),
    ],
)
def test_bound_host_is_one_function_in_two_languages(authority: str, host: str) -> None:
    assert bound_host(authority) == host
    assert LUA.module.bound_host(authority) == host


def test_time_and_epoch_are_told_of_authentic_tokens_only() -> None:
    text = minted()
    skew = limits.CLEARANCE_CLOCK_SKEW_S
    assert isinstance(both(text, now_s=NOW_S - skew), Clearance)
    assert both(text, now_s=NOW_S - skew - 1) == Refusal(RefusalReason.FUTURE)
    assert isinstance(both(text, now_s=NOW_S + 3599.9), Clearance)
    assert both(text, now_s=NOW_S + 3600) == Refusal(RefusalReason.EXPIRED)
    assert both(minted(epoch=EPOCH - 1)) == Refusal(RefusalReason.EPOCH)
    assert both(text[:-1] + ("A" if text[-1] != "A" else "Q"), now_s=NOW_S + 9999) == Refusal(
        RefusalReason.MAC
    )
    for broken in (math.nan, math.inf, -math.inf):
        assert isinstance(both(text, now_s=broken), Refusal)


def _mutants() -> list[tuple[str, Bound, float]]:
    """Every single-character change, cut, doubling and swap of fields, and every other binding."""
    text = minted()
    found: dict[tuple[str, Bound, float], None] = {}

    def add(mutant: str, bound: Bound = BOUND, now_s: float = NOW_S) -> None:
        if (mutant, bound, now_s) != (text, BOUND, NOW_S):
            found[mutant, bound, now_s] = None

    for at in range(len(text)):
        for char in ALPHABET[:: 1 if at > len(text) - 4 else 2]:
            add(text[:at] + char + text[at + 1 :])
        add(text[:at])
        add(text[at:])
        add(text[:at] + text[at + 1 :])
        add(text[:at] + text[at] + text[at:])
        for char in ("\x00", "\n", " ", "é", "=", "+"):
            add(text[:at] + char + text[at + 1 :])
    fields = text.split(".")
    other = minted(nonce="0" * 16, level=3, now_s=NOW_S - 10, probes=None).split(".")
    for one in range(len(fields)):
        add(".".join([*fields[:one], other[one], *fields[one + 1 :]]))
        add(".".join([*fields[:one], "", *fields[one + 1 :]]))
        add(".".join([*fields[:one], *fields[one + 1 :]]))
        add(".".join([*fields[:one], fields[one], *fields[one:]]))
        add(".".join([*fields[:one], "0" + fields[one], *fields[one + 1 :]]))
    for bound in (
        replace(BOUND, host="shop.example.org"),
        replace(BOUND, host="www.shop.example"),
        replace(BOUND, host=""),
        replace(BOUND, host="x" * 300),
        replace(BOUND, prefix="203.0.112.0/24"),
        replace(BOUND, prefix="203.0.113.0/25"),
        replace(BOUND, prefix=""),
        replace(BOUND, ja4="t13d15h2_8daaf6152772"),
        replace(BOUND, ja4="-"),
        replace(BOUND, ja4=""),
        replace(BOUND, ja4="t13d15h2_8daaf6152771\n"),
        # The same bytes cut elsewhere.
        replace(BOUND, host="shop.example\n203.0.113.0/24", prefix="t13d15h2_8daaf6152771", ja4=""),
    ):
        add(text, bound)
    for now_s in (NOW_S + 3600, NOW_S + 1e9, NOW_S - 31, 0.0, -1.0):
        add(text, now_s=now_s)
    for epoch in (0, 6, 8, 70, 99_999_999_999):
        add(minted(epoch=epoch))
    return list(found)


def test_every_mutant_is_refused_in_both_languages() -> None:
    mutants = _mutants()
    assert len(mutants) >= 2_000
    for text, bound, now_s in mutants:
        assert isinstance(both(text, bound, now_s), Refusal), (text, bound, now_s)


@given(st.text(max_size=140), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_refused_and_nothing_is_raised(
    text: str, host: str, prefix: str, ja4: str
) -> None:
    latin = [part.encode("latin-1", "replace").decode("latin-1") for part in (host, prefix, ja4)]
    assert isinstance(
        both(text.encode("latin-1", "replace").decode("latin-1"), Bound(*latin)), Refusal
    )


@pytest.mark.parametrize("odd", [None, 7, True, 1.5, "x" * 100_000])
def test_lua_refuses_what_is_no_text_or_no_time(odd: object) -> None:
    text, good = minted(), (BOUND.host, BOUND.prefix, BOUND.ja4)
    assert LUA.check(odd, *good, NOW_S)[0] is None
    for place in range(3):
        arguments: list[object] = list(good)
        arguments[place] = odd
        assert LUA.check(text, *arguments, NOW_S)[0] is None
    if not isinstance(odd, int | float):
        assert LUA.check(text, *good, odd)[0] is None


def test_a_token_that_is_good_for_too_long_is_refused_although_it_is_signed() -> None:
    words = BOUND.text()
    assert words is not None
    for longer, reason in ((0, None), (1, RefusalReason.LIFETIME)):
        expires_s = int(NOW_S) + limits.CLEARANCE_LIFETIME_S_MAX + longer
        body = f"1.{KEYS.current.kid}.{int(NOW_S)}.{expires_s}.2.{EPOCH}.5.AbCdEfGh12345-_x"
        found = both(f"{body}.{mac(KEYS.current, body.encode(), words)}")
        assert (found.reason if isinstance(found, Refusal) else None) is reason


def test_a_network_or_fingerprint_that_is_too_long_is_bound_to_nothing() -> None:
    for bound in (
        replace(BOUND, prefix="1" * (limits.CHALLENGE_PREFIX_LENGTH_CHARS_MAX + 1)),
        replace(BOUND, ja4="t" * (limits.CHALLENGE_JA4_LENGTH_CHARS_MAX + 1)),
    ):
        assert both(minted(), bound) == Refusal(RefusalReason.BINDING)


def test_lua_remembers_a_bounded_number_of_tokens() -> None:
    lua = LuaClearance(EPOCH)
    for number in range(limits.CLEARANCE_CACHE_ENTRIES_MAX * 2 + 100):
        text = minted(nonce=f"{number:016d}")
        assert lua.check(text, BOUND.host, BOUND.prefix, BOUND.ja4, NOW_S)[0] == 2
    assert len(list(lua.object.newer)) <= limits.CLEARANCE_CACHE_ENTRIES_MAX
    assert len(list(lua.object.older)) <= limits.CLEARANCE_CACHE_ENTRIES_MAX
    # What is remembered still expires.
    late = lua.check(text, BOUND.host, BOUND.prefix, BOUND.ja4, NOW_S + 3600)
    assert late[:2] == (None, "expired")


def test_bounds_are_the_same_in_both_languages() -> None:
    module = LUA.module
    assert module.TEXT_MAX == limits.CLEARANCE_TEXT_LENGTH_CHARS_MAX
    assert module.HOST_MAX == limits.CHALLENGE_HOST_LENGTH_CHARS_MAX
    assert module.PREFIX_MAX == limits.CHALLENGE_PREFIX_LENGTH_CHARS_MAX
    assert module.JA4_MAX == limits.CHALLENGE_JA4_LENGTH_CHARS_MAX
    assert module.LIFETIME_MAX == limits.CLEARANCE_LIFETIME_S_MAX
    assert module.SKEW == limits.CLEARANCE_CLOCK_SKEW_S
    assert module.CACHE_MAX == limits.CLEARANCE_CACHE_ENTRIES_MAX


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("seawall=abc", "abc"),
        ("a=b; seawall=abc", "abc"),
        ("a=b;seawall=abc;c=d", "abc"),
        ("notseawall=no; seawall=yes", "yes"),
        ("xseawall=no", None),
        ("a=1;  \t seawall=abc", "abc"),
        # A neighbouring host can set a cookie for its whole domain, and a value may have spaces.
        ("a=1 seawall=no; seawall=yes", "yes"),
        ("a=1 seawall=no", None),
        ("seawall=", ""),
        ("", None),
        ("seawall=" + "x" * 97, None),
        ("seawall=" + "x" * 97 + "; seawall=yes", "yes"),
        (None, None),
        (5, None),
    ],
)
def test_lua_finds_the_cookie(header: object, found: str | None) -> None:
    answer = LUA.module.cookie(header, "seawall")
    assert (answer[0] if isinstance(answer, tuple) else answer) == found


def test_lua_refuses_a_broken_key_at_load() -> None:
    for hexadecimal in ("", "00", "zz" * 32, "00" * 33):
        with pytest.raises(Exception, match="not 64 hex digits"):
            LUA.module.new(
                LUA.lua.table_from({"keys": LUA.lua.table_from({"k1": hexadecimal}), "epoch": 1})
            )


def test_nothing_is_minted_for_a_client_without_binding() -> None:
    for bound in (replace(BOUND, host=""), replace(BOUND, prefix=""), replace(BOUND, ja4="é")):
        with pytest.raises(UsageError):
            minted(bound=bound)


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": 0},
        {"level": 4},
        {"lifetime_s": 0},
        {"lifetime_s": 86_401},
        {"nonce": "short"},
        {"probes": -1},
        {"probes": 4_096},
        {"epoch": -1},
        {"now_s": -5.0},
    ],
)
def test_nothing_is_minted_with_a_field_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(SeawallError):
        minted(**wrong)


def test_keys_are_checked_and_never_printed() -> None:
    for kid, size in (("", 32), ("K1", 32), ("k" * 9, 32), ("k1", 31)):
        with pytest.raises(UsageError):
            ClearanceKey(kid, Secret(bytes(size)))
    with pytest.raises(UsageError):
        ClearanceKeys(KEYS.current, KEYS.current)
    assert "redacted" in repr(KEYS)
    assert KEYS.current.value.reveal().hex() not in repr(KEYS)
