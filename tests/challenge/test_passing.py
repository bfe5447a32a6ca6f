"""The decisions of the desk, one by one, with time and chance under the test's hand."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from challenge.lua_clearance import KEYS, NOW_S
from challenge.workplace import (
    ASSETS,
    BOUND,
    CLEARANCE,
    ECHO,
    KEY_TEXT,
    POLICY,
    Workplace,
    answer,
    challenge_in,
    cookie_of,
    numbered,
    opened,
    told,
)
from seawall import limits
from seawall.bots.probes import Probe
from seawall.challenge import desk as desk_module
from seawall.challenge.binding import Bound
from seawall.challenge.opening import Asked, open_challenge
from seawall.challenge.passing import Return, refresh, solve
from seawall.challenge.policy import ChallengePolicy
from seawall.challenge.reply import Event, Reply
from seawall.challenge.spent import SpentSet
from seawall.challenge.token import Clearance, check
from seawall.errors import UsageError
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.secret import Secret


def clearance(reply: Reply) -> Clearance | None:
    cookie = cookie_of(reply, CLEARANCE)
    if cookie is None:
        return None
    found = check(cookie.partition("=")[2], KEYS, BOUND, epoch=7, now_s=NOW_S)
    assert isinstance(found, Clearance)
    return found


def test_a_script_with_cookies_and_styles_passes_unseen() -> None:
    place = Workplace()
    page = opened(place)
    text, nonce = challenge_in(page)
    reply = solve(place.counter(cookie_of(page, ECHO) or ""), answer(text, nonce, v=1024))
    assert told(reply) == {"do": "go", "to": "/shop?item=1"}
    found = clearance(reply)
    assert found
    assert (found.level, found.probes) == (1, Probe.SOFTWARE_RENDERER)
    assert [one.event for one in place.outcomes] == [Event.ASKED, Event.PASSED]
    assert place.outcomes[-1].reference == "3f1c2a70-aaaa-4000-8000-000000000000"


def worked(place: Workplace, wanted: int, **changes: Any) -> Reply:
    page = opened(place, wanted=wanted)
    text, nonce = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    told_work = told(solve(place.counter(cookies), answer(text, nonce)))
    assert told_work["do"] == "work"
    solution = {"p": told_work["puzzle"]["text"], "k": KEY_TEXT} | changes
    return solve(place.counter(cookies), answer(text, nonce, **solution))


def test_work_gives_the_highest_level_and_admitted_automation_a_lower_one() -> None:
    found = clearance(worked(Workplace(), 3))
    assert found
    assert found.level == 3
    found = clearance(worked(Workplace(), 2, v=int(Probe.WEBDRIVER)))
    assert found
    assert (found.level, found.probes) == (2, 1)
    reply = worked(Workplace(), 3, v=int(Probe.WEBDRIVER))
    assert told(reply) == {"do": "human"}
    assert clearance(reply) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": "A" * 43},
        {"k": KEY_TEXT[:-1]},
        {"k": ""},
        {"k": KEY_TEXT + "A"},
        {"p": "p1.k2.1800000000.AAAAAAAAAAAAAAAAAAAAAA.ZGVmZ2hpams.AAAAAAAAAAAAAAAAAAAAAA"},
        {"p": "x" * 2000},
    ],
)
def test_a_wrong_solution_grants_nothing(wrong: dict[str, str]) -> None:
    reply = worked(Workplace(), 2, **wrong)
    assert told(reply) == {"do": "again"}
    assert clearance(reply) is None


def test_a_puzzle_of_another_challenge_or_too_old_solves_nothing() -> None:
    place = Workplace()
    first, second = opened(place, wanted=2), opened(place, wanted=2)
    cookies = cookie_of(first, ECHO) or ""
    text, nonce = challenge_in(first)
    puzzle = told(solve(place.counter(cookies), answer(text, nonce)))["puzzle"]["text"]
    other, other_nonce = challenge_in(second)
    stolen = answer(other, other_nonce, p=puzzle, k=KEY_TEXT)
    assert told(solve(place.counter(cookies), stolen)) == {"do": "again"}
    place.clock.time_s += limits.CHALLENGE_LIFETIME_S + 1
    late = answer(text, nonce, p=puzzle, k=KEY_TEXT)
    assert told(solve(place.counter(cookies), late)) == {"do": "again"}


def test_a_script_without_styles_or_sum_must_work() -> None:
    for wrong in ({"s": ""}, {"s": "é"}, {"e": 0}, {"v": None}, {"v": -1}, {"v": 4096}, {"v": 1}):
        place = Workplace()
        page = opened(place)
        text, nonce = challenge_in(page)
        reply = solve(place.counter(cookie_of(page, ECHO) or ""), answer(text, nonce, **wrong))
        assert told(reply)["do"] == "work", wrong


def test_a_visitor_with_as_many_cookies_as_the_edge_lets_in_passes() -> None:
    place = Workplace()
    page = opened(place)
    cookies = f"a={'x' * 95 * limits.KIB}; {cookie_of(page, ECHO)}"
    assert told(solve(place.counter(cookies), answer(*challenge_in(page))))["do"] == "go"


def test_a_challenge_that_cannot_be_read_is_told_by_the_id_of_the_request() -> None:
    place = Workplace()
    back = Return("c1.made.up", "GET", request_id="4423d9dd-038f-40a3-a693-fc9a31297abb")
    page = refresh(place.counter(), back)
    assert page.status == 403
    assert b"4423d9dd-038f-40a3-a693-fc9a31297abb" in page.body


@pytest.mark.parametrize(
    "cookies", ["", f"{ECHO}=", f"{ECHO}=e1.k2.1800000000.0.0.AAAAAAAAAAAAAAAAAAAAAA", "x" * 20_000]
)
def test_without_its_cookie_nobody_passes(cookies: str) -> None:
    place = Workplace()
    text, nonce = challenge_in(opened(place))
    assert told(solve(place.counter(cookies), answer(text, nonce))) == {"do": "cookies"}
    place.clock.time_s += 3
    page = refresh(place.counter(cookies), Return(text, "GET"))
    assert page.status == 403
    assert b"allow cookies" in page.body
    assert b"http-equiv" not in page.body
    assert "refresh" not in dict(page.headers)
    assert clearance(page) is None


@pytest.mark.parametrize(
    "change",
    [
        {"host": "other.example"},
        {"prefix": "203.0.112.0/24"},
        {"ja4": "t13d15h2_8daaf6152772"},
    ],
)
def test_another_client_cannot_answer(change: dict[str, str]) -> None:
    place = Workplace()
    page = opened(place)
    text, nonce = challenge_in(page)
    counter = place.counter(cookie_of(page, ECHO) or "", **change)
    assert told(solve(counter, answer(text, nonce))) == {"do": "again"}
    place.clock.time_s += 3
    counter = place.counter(cookie_of(page, ECHO) or "", **change)
    assert clearance(refresh(counter, Return(text, "GET"))) is None


def test_every_mutant_of_a_challenge_is_refused() -> None:
    place = Workplace()
    page = opened(place)
    text, nonce = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    place.clock.time_s += 3
    mutants = [text[:at] + char + text[at + 1 :] for at in range(len(text)) for char in "Aa0.-é\n"]
    mutants += [text[:at] for at in range(len(text))]
    mutants += [text + "A", text * 2, "", "c1", text.replace(".1.g.", ".1.p.")]
    for mutant in mutants:
        if mutant == text:
            continue
        assert told(solve(place.counter(cookies), answer(mutant, nonce))) == {"do": "again"}
        assert clearance(refresh(place.counter(cookies), Return(mutant, "GET"))) is None
    assert clearance(refresh(place.counter(cookies), Return(text, "GET")))


def test_waiting_is_measured_by_the_service() -> None:
    place = Workplace()
    for wanted, least_s in ((1, limits.CHALLENGE_WAIT_S), (2, limits.CHALLENGE_WAIT_LONG_S)):
        page = opened(place, wanted=wanted)
        text, _ = challenge_in(page)
        cookies = cookie_of(page, ECHO) or ""
        place.clock.time_s += least_s - 1
        early = refresh(place.counter(cookies), Return(text, "GET"))
        assert early.status == 403
        assert (
            f'content="1;url=/.well-known/seawall/challenge/refresh?c={text}"'.encode()
            in early.body
        )
        place.clock.time_s += 1
        reply = refresh(place.counter(cookies), Return(text, "GET"))
        assert (reply.status, dict(reply.headers)["location"]) == (303, "/shop?item=1")
        assert cookie_of(reply, CLEARANCE)
    page = opened(place, wanted=3)
    text, _ = challenge_in(page)
    place.clock.time_s += 100
    reply = refresh(place.counter(cookie_of(page, ECHO) or ""), Return(text, "GET"))
    assert b"could not be checked" in reply.body
    assert clearance(reply) is None


def test_a_challenge_grants_once_by_any_way() -> None:
    place = Workplace()
    page = opened(place)
    text, nonce = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    place.clock.time_s += 3
    assert clearance(solve(place.counter(cookies), answer(text, nonce)))
    assert told(solve(place.counter(cookies), answer(text, nonce))) == {"do": "again"}
    assert clearance(refresh(place.counter(cookies), Return(text, "GET"))) is None


def test_a_second_tab_goes_on_with_the_clearance_of_the_first() -> None:
    place = Workplace()
    page, other = opened(place), opened(place)
    echo = cookie_of(page, ECHO) or ""
    got = solve(place.counter(echo), answer(*challenge_in(page)))
    cookies = f"{echo}; {cookie_of(got, CLEARANCE)}"
    reply = solve(place.counter(cookies), answer(*challenge_in(other)))
    assert told(reply)["do"] == "go"
    assert clearance(reply) is None
    assert refresh(place.counter(cookies), Return(challenge_in(other)[0], "GET")).status == 303


def test_nothing_is_granted_when_used_challenges_cannot_be_remembered() -> None:
    place = Workplace(spent=SpentSet(0))
    page = opened(place)
    text, nonce = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    reply = solve(place.counter(cookies), answer(text, nonce))
    assert (told(reply)["do"], reply.status) == ("wait", 503)
    place.clock.time_s += 3
    assert clearance(refresh(place.counter(cookies), Return(text, "GET"))) is None


def test_an_empty_pool_and_a_greedy_network_wait() -> None:
    place = Workplace()
    page = opened(place, wanted=2)
    text, nonce = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    for _ in range(limits.CHALLENGE_PUZZLES_PER_PREFIX_MAX):
        assert told(solve(place.counter(cookies), answer(text, nonce)))["do"] == "work"
    reply = solve(place.counter(cookies), answer(text, nonce))
    assert told(reply) == {"do": "wait", "seconds": limits.CHALLENGE_BUSY_RETRY_S}
    assert dict(reply.headers)["retry-after"] == str(limits.CHALLENGE_BUSY_RETRY_S)
    place.clock.time_s += limits.CHALLENGE_PREFIX_WINDOW_S
    assert told(solve(place.counter(cookies), answer(text, nonce)))["do"] == "work"
    place.kernels.left = 0
    assert told(solve(place.counter(cookies), answer(text, nonce)))["do"] == "wait"


def test_an_empty_pool_takes_nothing_of_what_a_network_may_have() -> None:
    place = Workplace()
    page = opened(place, wanted=2)
    text, nonce = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    place.kernels.left = 0
    for _ in range(limits.CHALLENGE_PUZZLES_PER_PREFIX_MAX):
        assert told(solve(place.counter(cookies), answer(text, nonce)))["do"] == "wait"
    place.kernels.left = 1
    assert told(solve(place.counter(cookies), answer(text, nonce)))["do"] == "work"


def test_who_can_only_work_waits_until_the_network_may_have_more() -> None:
    """As in an office behind one address; the page gives up after some rounds."""
    place = Workplace()
    page = opened(place, wanted=3)
    text, nonce = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    for _ in range(limits.CHALLENGE_PUZZLES_PER_PREFIX_MAX):
        assert told(solve(place.counter(cookies), answer(text, nonce)))["do"] == "work"
    place.clock.time_s += 12.5
    waits = told(solve(place.counter(cookies), answer(text, nonce)))
    assert waits == {"do": "wait", "seconds": 48}
    place.clock.time_s += waits["seconds"]
    assert told(solve(place.counter(cookies), answer(text, nonce)))["do"] == "work"


def test_a_new_process_takes_no_challenge_of_an_old_one() -> None:
    old = Workplace()
    page = opened(old)
    text, nonce = challenge_in(page)
    new = Workplace(random_bytes=numbered(10**6))
    cookies = cookie_of(page, ECHO) or ""
    assert told(solve(new.counter(cookies), answer(text, nonce))) == {"do": "again"}
    # Its own are good from the first moment.
    page = opened(new, cookies)
    assert told(solve(new.counter(cookies), answer(*challenge_in(page))))["do"] == "go"


@pytest.mark.parametrize("by_s", [-8 * 3_600, 8 * 3_600])
def test_a_clock_that_is_set_keeps_nobody_out(by_s: float) -> None:
    """A machine that starts with a wrong clock is told the time a minute later."""
    place = Workplace()
    before = opened(place)
    place.clock.time_s += by_s
    page = opened(place)
    cookies = cookie_of(page, ECHO) or ""
    old = solve(place.counter(cookies), answer(*challenge_in(before)))
    assert told(old) == {"do": "again"}
    assert told(solve(place.counter(cookies), answer(*challenge_in(page))))["do"] == "go"


def test_an_edge_that_refuses_what_was_granted_ends_in_words() -> None:
    place = Workplace()
    cookies, rounds = "", 0
    while True:
        page = opened(place, cookies)
        if b"data-challenge" not in page.body:
            break
        rounds += 1
        assert rounds < 10
        text, nonce = challenge_in(page)
        echo = cookie_of(page, ECHO) or ""
        reply = solve(place.counter(f"{echo}; {cookies}"), answer(text, nonce))
        assert told(reply)["do"] == "go"
        echo = cookie_of(reply, ECHO) or echo
        cookies = f"{echo}; {cookie_of(reply, CLEARANCE) or cookies.rpartition('; ')[2]}"
    assert rounds <= limits.CHALLENGE_LOOP_PASSES
    assert b"could not be checked" in page.body
    assert "refresh" not in dict(page.headers)
    assert place.outcomes[-1].why == "loop"
    # After a while it is tried again.
    place.clock.time_s += limits.CHALLENGE_LOOP_S
    assert b"data-challenge" in opened(place, cookies).body


def test_passes_from_before_the_clock_was_set_back_are_no_loop() -> None:
    place = Workplace()
    place.clock.time_s += 3_600
    cookies = ""
    for _ in range(limits.CHALLENGE_LOOP_PASSES):
        page = opened(place, cookies)
        solved = solve(place.counter(cookie_of(page, ECHO) or ""), answer(*challenge_in(page)))
        cookies = cookie_of(solved, ECHO) or ""
    assert b"data-challenge" not in opened(place, cookies).body
    place.clock.time_s -= 3_600
    page = opened(place, cookies)
    again = solve(place.counter(cookie_of(page, ECHO) or ""), answer(*challenge_in(page)))
    assert told(again)["do"] == "go"
    assert b"data-challenge" in opened(place, cookie_of(again, ECHO) or "").body


def test_keys_and_epoch_can_change_while_a_challenge_is_open() -> None:
    place = Workplace()
    page = opened(place)
    text, nonce = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    newer = ClearanceKey("k3", Secret(b"3" * 32))
    place.policy = replace(POLICY, keys=ClearanceKeys(newer, KEYS.current), epoch=8)
    reply = solve(place.counter(cookies), answer(text, nonce))
    token = (cookie_of(reply, CLEARANCE) or "").partition("=")[2]
    assert token.startswith("1.k3.")
    assert isinstance(check(token, place.policy.keys, BOUND, epoch=8, now_s=NOW_S), Clearance)
    # Two rotations end it.
    place.policy = replace(POLICY, keys=ClearanceKeys(newer))
    assert told(solve(place.counter(cookies), answer(text, nonce))) == {"do": "again"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"c":1,"s":"","e":1,"v":1}',
        b'{"c":"","s":"","e":true,"v":1}',
        b'{"c":"","s":"","e":1e400,"v":1}',
        b'{"c":"","s":"","e":NaN,"v":1}',
        b"[" * 8_000,
        b"\xff\xfe",
        b'{"c":"\\ud800","s":1,"e":1}',
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    assert solve(Workplace().counter(), body).status == 400


def test_a_surrogate_in_an_answer_is_only_wrong() -> None:
    place = Workplace()
    page = opened(place)
    text, nonce = challenge_in(page)
    counter = place.counter(cookie_of(page, ECHO) or "")
    for wrong in ({"c": "\ud800"}, {"s": "\ud800"}, {"p": "\ud800"}, {"p": "x", "k": "\ud800"}):
        reply = solve(counter, answer(text, nonce, **wrong))
        assert told(reply)["do"] in {"again", "work"}
        assert clearance(reply) is None


def test_an_expired_challenge_leads_back_to_the_page_and_a_foreign_one_to_the_start() -> None:
    place = Workplace()
    page = opened(place)
    text, _ = challenge_in(page)
    cookies = cookie_of(page, ECHO) or ""
    place.clock.time_s += limits.CHALLENGE_LIFETIME_NO_SCRIPT_S + 1
    late = refresh(place.counter(cookies), Return(text, "GET"))
    assert b"has expired" in late.body
    assert b'href="/shop?item=1"' in late.body
    assert clearance(late) is None
    foreign = refresh(place.counter(cookies), Return("c1.x", "GET"))
    assert b'href="/"' in foreign.body


@given(st.binary(max_size=400), st.text(max_size=200))
def test_whatever_is_sent_grants_nothing_and_raises_nothing(body: bytes, text: str) -> None:
    counter = Workplace().counter(text)
    assert solve(counter, body).status == 400
    page = refresh(counter, Return(text, "POST", text, text, "", body))
    assert page.status == 403
    assert cookie_of(page, CLEARANCE) is None


STEPS = ("spend", "mint", "echo", "report", "nonce", "read_challenge", "check", "read_echo")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", ["solve", "refresh"])
def test_a_fault_at_any_step_grants_nothing(
    step: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Workplace()
    page = opened(place)
    text, nonce = challenge_in(page)
    cookies = f"{cookie_of(page, ECHO)}; {CLEARANCE}=1.k2.x"
    place.clock.time_s += 3

    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("injected")

    counter = place.counter(cookies)
    if step == "spend":
        monkeypatch.setattr(SpentSet, "spend", broken)
    elif step in {"report", "nonce"}:
        field = "observer" if step == "report" else "random_bytes"
        counter = replace(counter, tools=replace(counter.tools, **{field: broken}))
    else:
        monkeypatch.setattr(desk_module, {"echo": "write_echo"}.get(step, step), broken)
    ways = {
        "solve": lambda: solve(counter, answer(text, nonce)),
        "refresh": lambda: refresh(counter, Return(text, "GET")),
    }
    with pytest.raises(RuntimeError, match="injected"):
        ways[way]()


def test_a_policy_is_checked() -> None:
    for what, wrong in (
        ("Epoch", {"epoch": -1}),
        ("A clearance", {"lifetime_s": 0}),
        ("A clearance", {"lifetime_s": 10**6}),
        ("Contact", {"contact": "javascript:alert(1)"}),
        ("Contact", {"contact": "https://" + "x" * 600}),
    ):
        with pytest.raises(UsageError, match=what):
            ChallengePolicy(**({"keys": KEYS, "epoch": 1} | wrong))


def test_a_client_that_cannot_be_bound_gets_no_challenge() -> None:
    assert Bound("", "x", "-").text() is None
    place = Workplace()
    with pytest.raises(Exception, match="host, the network"):
        open_challenge(
            place.counter(prefix=""),
            Asked(place.counter(prefix="").client, "GET", "/", 1, "r"),
            ASSETS,
        )
