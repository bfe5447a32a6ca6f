"""Whom rules would meet, on records that hold what records hold: told, or unsure, never guessed."""

import random
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seawall.bots.families import ClientFamily
from seawall.bots.features import CODE_MAX, FEATURES, INDEX, to_text
from seawall.bots.policy import DEFAULT_RULES
from seawall.ids import ListName, SiteName
from seawall.limits import (
    REHEARSAL_CLIENTS_MIN,
    REHEARSAL_NODES_TOLD_MAX,
    REHEARSAL_REQUESTS_MIN,
    REHEARSAL_RULES_MAX,
    REHEARSAL_SITES_MAX,
    SAMPLE_SITES_NAMED_MAX,
)
from seawall.model import (
    OBSERVING,
    BotAction,
    BotCategory,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    IpList,
    RouteClass,
)
from seawall.telemetry.records import AccessRecord
from seawall.telemetry.rehearsal import DENY, Rehearsal, RehearsalState
from seawall.telemetry.rehearse import SiteRules, rehearse, rehearse_fleet, wanted_of
from seawall.telemetry.samples import Wanted

SHOP = SiteName("shop")
CLASSES = {"shop/all": RouteClass.PAGE, "shop/api": RouteClass.API}
PAGE = {"accept": 2, "fetch_mode": 1, "fetch_dest": 1}


def enforcing(*rules: BotRule, mode: BotMode = BotMode.ENFORCE) -> SiteRules:
    return SiteRules(BotPolicy(mode=mode, rules=rules), CLASSES)


def rule(name: str, when: str, do: BotDo = BotDo.BLOCK, requests: int = 0) -> BotRule:
    return BotRule(name, when, BotAction(do, requests=requests, per_s=60 if requests else 0))


def record(
    number: int,
    *,
    client: int = 0,
    score: int | None = 50,
    model: str = "",
    proof: str = "-",
    clearance: str = "-",
    route: str = "shop/all",
    path: str = "/a",
    headers: Mapping[str, str] | None = None,
    **codes: int,
) -> AccessRecord:
    vector = [0] * len(FEATURES)
    for name, code in codes.items():
        vector[INDEX[name.replace("_", "-")]] = code
    known = ("-", model or "-") if score is None else (str(score), "0a1b2c3d")
    return AccessRecord(
        time=f"2026-11-29T10:00:{number % 60:02d}.000Z",
        request_id=f"id-{number}",
        route=route,
        method="GET",
        host="shop.test",
        path=path,
        protocol="HTTP/2",
        bots=f"{known[0]} observe - {proof} {clearance} {known[1]} "
        f"{to_text(tuple(vector))} {client:016x}.5",
        req_headers=headers or {},
    )


def crowd(count: int = REHEARSAL_REQUESTS_MIN, **more: int) -> list[AccessRecord]:
    """Each request of another client."""
    return [record(number, client=number, **more) for number in range(count)]


def tried(new: SiteRules, records: list[AccessRecord], old: SiteRules | None = None) -> Rehearsal:
    [found] = rehearse(records, {} if old is None else {SHOP: old}, {SHOP: new})
    return found


def test_a_comparison_the_wrong_way_round_is_over_the_bound() -> None:
    found = tried(enforcing(rule("low", "score >= 3")), crowd(), enforcing())
    assert (found.state, found.share, found.over) == (RehearsalState.MEASURED, 1.0, True)
    assert (found.requests, found.clients) == (found.new_requests, found.new_clients)
    [low] = found.rules
    assert (low.rule, low.do, low.example) == ("low", "block", "id-0")
    assert not tried(enforcing(rule("low", "score <= 3")), crowd(), enforcing()).rules


@pytest.mark.parametrize(
    ("when", "do", "requests", "unsure"),
    [
        ("score <= 90", BotDo.BLOCK, 0, 100),
        ("score == 37", BotDo.BLOCK, 0, 100),
        ("score <= requests_10m", BotDo.BLOCK, 0, 100),
        ("has_score", BotDo.BLOCK, 100, 0),
        ('path == "/login" and score <= 90', BotDo.BLOCK, 100, 0),
        ("score <= 90", BotDo.OBSERVE, 100, 0),
        ('path == "/b"', BotDo.BLOCK, 100, 0),
    ],
)
def test_a_score_that_nobody_asked_for_may_be_any(
    when: str, do: BotDo, requests: int, unsure: int
) -> None:
    """Rules that look at no score leave none in the records."""
    old = enforcing(rule("php", 'path.endswith(".php")'))
    records = [
        record(n, client=n, score=None, model="0a1b2c3d", requests_10m=5) for n in range(100)
    ]
    found = tried(enforcing(rule("low", when, do)), records, old)
    assert (found.requests, found.unsure) == (requests, unsure)
    nobody = [record(n, client=n, score=None) for n in range(100)]
    assert tried(enforcing(rule("low", when, do)), nobody, old).unsure == 0, "there was no model"


def test_the_node_itself_is_no_client() -> None:
    golden = [
        replace(each, bots=each.bots.replace(" observe - ", " allow exempt:private "))
        for each in crowd(50)
    ]
    found = tried(enforcing(rule("all", "true")), [*golden, *crowd(9)], enforcing())
    assert (found.requests, found.clients, found.new_clients) == (9, 9, 9)
    assert tried(enforcing(rule("all", "true")), golden, enforcing()).state is (
        RehearsalState.NO_RECORDS
    )


def test_who_would_not_be_scored_has_no_score() -> None:
    old = enforcing(rule("php", 'path.endswith(".php")'))
    new = enforcing(rule("low", "score <= 90"))
    image = [record(n, score=None, model="0a1b2c3d", path_kind=3) for n in range(9)]
    bot = [record(n, score=None, model="0a1b2c3d", proof="verified:googlebot") for n in range(9)]
    found = tried(new, [*image, *bot], old)
    assert (found.requests, found.unsure, found.rules) == (18, 0, ())


def test_one_client_with_many_requests_is_one_client() -> None:
    many = [record(number, client=7, score=1) for number in range(1000)]
    found = tried(enforcing(rule("low", "score <= 3")), [*crowd(), *many], enforcing())
    assert (found.new_requests, found.new_clients, found.over) == (1000, 1, False)
    assert found.share == pytest.approx(1 / REHEARSAL_REQUESTS_MIN)


def test_a_host_is_what_the_edge_takes_it_for() -> None:
    written = ["SHOP.test", "shop.test:8080", "Shop.Test:80"]
    records = [replace(one, host=written[number % 3]) for number, one in enumerate(crowd())]
    found = tried(enforcing(rule("shop", 'host == "shop.test"')), records, enforcing())
    assert found.new_requests == len(records)


def test_in_mode_observe_it_is_told_and_never_over() -> None:
    observing = enforcing(rule("all", "true"), mode=BotMode.OBSERVE)
    found = tried(observing, crowd(), enforcing())
    assert (found.mode, found.share, found.over) == ("observe", 1.0, False)
    assert found.rules[0].new_clients == found.clients
    now = tried(enforcing(rule("all", "true")), crowd(), observing)
    assert now.over, "who was observed is let in so far"


def test_who_is_turned_away_already_is_not_new() -> None:
    old = enforcing(rule("low", "score <= 60", BotDo.CHALLENGE))
    new = enforcing(rule("lower", "score <= 55"))
    found = tried(new, crowd(), old)
    assert (found.new_clients, found.over, found.freed_requests) == (0, False, 0)
    assert found.rules[0].clients == found.clients
    assert found.rules[0].example
    freed = tried(enforcing(rule("other", "score == 1")), crowd(), old)
    assert freed.freed_requests == freed.requests
    assert not freed.rules


def test_a_number_of_requests_that_records_tell_in_part_is_unsure() -> None:
    slow = enforcing(rule("slow", "true", BotDo.RATE, requests=17))
    few = tried(slow, crowd(requests_60s=1 + 4 * 3), enforcing())  # 8 or 9 requests
    assert (few.unsure, few.new_requests) == (0, 0)
    many = tried(slow, crowd(requests_60s=1 + 4 * 5), enforcing())  # 32 to 38
    assert (many.unsure, many.new_requests) == (0, REHEARSAL_REQUESTS_MIN)
    between = tried(slow, crowd(requests_60s=1 + 4 * 4), enforcing())  # 16 to 19
    assert (between.unsure, between.requests) == (REHEARSAL_REQUESTS_MIN, 0)
    assert (between.state, between.share) == (RehearsalState.TOO_FEW, None)


def test_a_kind_that_hangs_on_a_header_is_unsure_unless_the_header_is_recorded() -> None:
    pages = enforcing(rule("pages", 'kind == "data"', BotDo.BLOCK))
    unknown = [record(number, client=number, accept=6) for number in range(100)]
    assert tried(pages, unknown, enforcing()).unsure == 100
    html = {"accept": "text/plain"}
    told = [record(number, client=number, accept=6, headers=html) for number in range(100)]
    assert tried(pages, told, enforcing()).new_requests == 100
    assert tried(enforcing(rule("a", 'path == "/a"')), unknown, enforcing()).unsure == 0


@pytest.mark.parametrize("accept", [0, 1, 2])
def test_who_asks_for_a_page_asks_for_no_feed(accept: int) -> None:
    seen = {"agent_family": ClientFamily.FIREFOX, "path_kind": 1, "requests_10m": 9}
    driven = crowd(score=1, accept=accept, **seen)
    found = tried(enforcing(*DEFAULT_RULES), driven, enforcing())
    assert (found.unsure, found.new_requests) == (0, REHEARSAL_REQUESTS_MIN)
    assert found.rules[0].rule == "automated"


def test_proofs_and_clearances_count_as_in_envoy() -> None:
    new = enforcing(rule("all", "true", BotDo.CHALLENGE))
    bots = [
        record(number, client=number, proof="verified:googlebot", score=None)
        for number in range(100)
    ]
    assert not tried(new, bots, enforcing()).rules, "a verified bot is not challenged"
    cleared = [record(number, client=number, clearance="ok:3") for number in range(100)]
    assert not tried(new, cleared, enforcing()).rules
    training = replace(
        enforcing(),
        policy=BotPolicy(
            mode=BotMode.ENFORCE,
            categories=((BotCategory.AI_TRAINING, BotAction(BotDo.PAYMENT)),),
        ),
    )
    claims = [record(number, client=number, proof="unknown:gptbot") for number in range(100)]
    [by_category] = tried(training, claims, enforcing()).rules
    assert (by_category.rule, by_category.do) == ("category:ai-training", "payment")


def test_the_default_rules_turn_no_ordinary_browser_away() -> None:
    found = tried(
        enforcing(*DEFAULT_RULES),
        crowd(agent_family=ClientFamily.FIREFOX, path_kind=1, **PAGE),
        SiteRules(OBSERVING, CLASSES),
    )
    assert (found.requests, found.rules) == (REHEARSAL_REQUESTS_MIN, ())


@pytest.mark.parametrize(
    ("records", "state"),
    [
        ([], RehearsalState.NO_RECORDS),
        (crowd(REHEARSAL_REQUESTS_MIN - 1), RehearsalState.TOO_FEW),
        ([record(n, client=n % (REHEARSAL_CLIENTS_MIN - 1)) for n in range(500)],
         RehearsalState.TOO_FEW),
        ([replace(one, bots="") for one in crowd()], RehearsalState.NO_RECORDS),
        ([replace(one, bots=one.bots[1:]) for one in crowd()], RehearsalState.NO_RECORDS),
        ([replace(one, route="shop/gone") for one in crowd()], RehearsalState.NO_RECORDS),
        ([replace(one, route="other/all") for one in crowd()], RehearsalState.NO_RECORDS),
    ],
    ids=["none", "few", "few clients", "not looked at", "garbled", "gone", "another site"],
)  # fmt: skip
def test_too_little_is_a_state_of_its_own(
    records: list[AccessRecord], state: RehearsalState
) -> None:
    written = [replace(one, path="/b") if n % 19 % 2 else one for n, one in enumerate(records)]
    found = tried(enforcing(rule("most", 'path == "/b"')), written, enforcing())
    assert (found.state, found.share, found.over) == (state, None, False)


@pytest.mark.parametrize(
    ("clients", "turned", "over"),
    [
        pytest.param(7, 7, False, id="too few even for that"),
        pytest.param(8, 8, True, id="all"),
        pytest.param(8, 7, True, id="nearly all"),
        pytest.param(8, 6, False, id="three quarters"),
        pytest.param(REHEARSAL_REQUESTS_MIN - 1, REHEARSAL_REQUESTS_MIN - 10, True, id="nearly"),
    ],
)
def test_a_rule_that_turns_nearly_all_of_few_clients_away_is_over_the_bound(
    clients: int, turned: int, *, over: bool
) -> None:
    records = [record(n, client=n, path="/b" if n < turned else "/a") for n in range(clients)]
    rules = rule("most", 'path == "/b"')
    found = tried(enforcing(rules), records, enforcing())
    assert (found.over, found.state is RehearsalState.MEASURED) == (over, over)
    assert not tried(enforcing(rules, mode=BotMode.OBSERVE), records, enforcing()).over


def test_an_address_list_may_turn_away_most_clients_of_a_quiet_site() -> None:
    records = [replace(one, client=f"192.0.2.{n}") for n, one in enumerate(crowd(20))]
    listed = replace(enforcing(), deny=(IpList(ListName("bad"), ("192.0.2.0/24",)),))
    found = tried(listed, records, enforcing())
    assert (found.new_clients, found.over, found.share) == (20, False, None)


def test_the_site_that_is_over_the_bound_is_told_however_many_change() -> None:
    names = [SiteName(f"s{number:03d}") for number in range(REHEARSAL_SITES_MAX + 20)]
    last = names[-1]
    classes = {f"{name}/all": RouteClass.PAGE for name in names}
    new = {
        name: SiteRules(enforcing(rule("all", "true" if name == last else "false")).policy, classes)
        for name in names
    }
    records = [replace(one, route=f"{name}/all") for name in names for one in crowd()]
    found = rehearse(records, {}, new)
    assert len(found) == REHEARSAL_SITES_MAX
    assert (found[0].site, found[0].over) == (last, True)
    assert not any(each.over for each in found[1:])


def test_an_id_that_is_none_cannot_write_on_a_terminal() -> None:
    records = [replace(one, request_id="\x1b[2Jgone") for one in crowd()]
    [found] = tried(enforcing(rule("all", "true")), records, enforcing()).rules
    assert found.example == "\N{REPLACEMENT CHARACTER}[2Jgone"


def test_only_sites_whose_rules_change_are_told() -> None:
    same = enforcing(rule("all", "true"))
    assert rehearse(crowd(), {SHOP: same}, {SHOP: same}) == ()
    silent = SiteRules(OBSERVING, CLASSES)
    assert rehearse(crowd(), {SHOP: same}, {SHOP: silent}) == ()
    more = replace(same, classes={**CLASSES, "shop/new": RouteClass.PAGE})
    assert rehearse(crowd(), {SHOP: same}, {SHOP: more}) == (), "a new route has no records"
    other = replace(same, classes={**CLASSES, "shop/all": RouteClass.API})
    assert len(rehearse(crowd(), {SHOP: same}, {SHOP: other})) == 1


def test_a_class_that_changes_is_looked_at_with_each_its_own() -> None:
    api = rule("api", 'route_class == "api"')
    old, new = (
        enforcing(api),
        replace(enforcing(api), classes=dict.fromkeys(CLASSES, RouteClass.API)),
    )
    found = tried(new, crowd(), old)
    assert (found.new_clients, found.over) == (REHEARSAL_REQUESTS_MIN, True)


def listed(*networks: str) -> tuple[IpList, ...]:
    return (IpList(ListName("bad"), networks),)


def numbered(count: int = REHEARSAL_REQUESTS_MIN) -> list[AccessRecord]:
    """Clients of one network each; the first half's is in 192.0.2.0/24."""
    half = count // 2
    return [
        replace(one, client=f"{'192.0.2' if number < half else '198.51.100'}.{number % half}")
        for number, one in enumerate(crowd(count))
    ]


@pytest.mark.parametrize("mode", BotMode)
def test_an_address_list_that_holds_many_clients_is_over_the_bound(mode: BotMode) -> None:
    old = enforcing(mode=mode)
    new = replace(old, deny=listed("192.0.2.0/24"))
    found = tried(new, numbered(), old)
    assert (found.share, found.over, found.really) == (0.5, True, True)
    [bad] = found.rules
    assert (bad.rule, bad.do, bad.new_clients) == ("bad", DENY, REHEARSAL_REQUESTS_MIN // 2)
    few = tried(replace(old, deny=listed("192.0.2.7/32")), numbered(), old)
    assert (few.new_clients, few.over) == (1, False)
    nobody = tried(replace(old, deny=listed("203.0.113.0/24")), numbered(), old)
    assert (nobody.requests, nobody.rules) == (REHEARSAL_REQUESTS_MIN, ())


def test_who_was_on_a_list_before_is_not_new_and_who_leaves_it_is_let_in() -> None:
    old = replace(enforcing(), deny=listed("192.0.2.0/24"))
    wider = replace(old, deny=listed("192.0.2.0/24", "198.51.100.3/32"))
    found = tried(wider, numbered(), old)
    assert (found.new_clients, found.over) == (1, False)
    denied = [replace(one, bots="") for one in numbered()]  # the bot filter comes after the list
    freed = tried(replace(old, deny=listed("203.0.113.0/24")), denied, old)
    assert freed.freed_requests == REHEARSAL_REQUESTS_MIN // 2
    assert rehearse(numbered(), {SHOP: old}, {SHOP: old}) == ()
    assert rehearse(numbered(), {SHOP: old}, {SHOP: enforcing()}) == (), "nobody is turned away"


def test_a_list_is_asked_before_the_rules() -> None:
    new = replace(enforcing(rule("all", "true")), deny=listed("192.0.2.0/24"))
    found = tried(new, numbered(), enforcing())
    assert {(each.rule, each.new_clients) for each in found.rules} == {
        ("bad", REHEARSAL_REQUESTS_MIN // 2),
        ("all", REHEARSAL_REQUESTS_MIN // 2),
    }


def test_rules_that_turn_away_most_clients_come_first_and_are_bounded() -> None:
    rules = [rule(f"r{n}", f'path == "/{n}"') for n in range(REHEARSAL_RULES_MAX + 5)]
    records = [
        record(number, client=number, path=f"/{number % len(rules)}") for number in range(400)
    ]
    records += [record(1000 + n, client=1000 + n, path="/7") for n in range(50)]
    found = tried(enforcing(*rules), records, enforcing())
    assert len(found.rules) == REHEARSAL_RULES_MAX
    assert found.rules[0].rule == "r7"


@given(
    st.lists(
        st.builds(
            AccessRecord,
            time=st.text(max_size=40),
            request_id=st.text(max_size=20),
            route=st.sampled_from(["shop/all", "shop/api", "shop", "", "x/y"]),
            path=st.text(max_size=20),
            host=st.text(max_size=20),
            bots=st.one_of(
                st.text(max_size=60),
                st.integers(0, CODE_MAX).map(
                    lambda code: record(1, arrivals=code, requests_60s=code, accept=code).bots
                ),
            ),
        ),
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_any_records_in_any_order_give_one_answer(
    records: list[AccessRecord], chance: random.Random
) -> None:
    new = enforcing(rule("slow", "true", BotDo.RATE, requests=9), rule("far", "arrivals >= 3"))
    found = tried(new, records, enforcing())
    assert found.requests + found.unsure <= len(records)
    shuffled = list(records)
    chance.shuffle(shuffled)
    again = tried(new, shuffled, enforcing())
    assert (again.requests, again.unsure, again.new_clients) == (
        found.requests,
        found.unsure,
        found.new_clients,
    )


# --- A fleet -------------------------------------------------------------------------------------

LOW = enforcing(rule("low", "score <= 3"))


def visitors(first: int, count: int, score: int = 50) -> list[AccessRecord]:
    """A hundred requests or more, each client's first number being `first`."""
    requests = max(count, REHEARSAL_REQUESTS_MIN)
    return [record(n, client=first + n % count, score=score) for n in range(requests)]


def on_fleet(new: SiteRules = LOW, **samples: list[AccessRecord]) -> Rehearsal:
    [found] = rehearse_fleet(samples, {SHOP: enforcing()}, {SHOP: new})
    return found


def test_one_node_over_the_bound_is_enough() -> None:
    found = on_fleet(a=visitors(0, 300), b=visitors(1000, 30, score=1))
    assert found.share is not None
    assert found.share < 0.25
    assert found.over
    worst, other = found.nodes
    assert (worst.node, worst.over, worst.share, worst.new_clients) == ("b", True, 1.0, 30)
    assert (other.node, other.over, other.share) == ("a", False, 0.0)
    assert [(one.rule, one.new_clients) for one in worst.rules] == [("low", 30)]


def test_all_together_may_be_over_where_no_node_has_seen_enough() -> None:
    few = REHEARSAL_REQUESTS_MIN // 2
    found = on_fleet(
        a=[record(n, client=n, score=1) for n in range(few)],
        b=[record(n, client=few + n, score=1) for n in range(few)],
    )
    assert (found.over, found.share, found.clients) == (True, 1.0, 2 * few)
    assert [(node.share, node.over) for node in found.nodes] == [(None, False)] * 2


def test_a_client_of_two_nodes_is_one_client() -> None:
    found = on_fleet(a=visitors(0, 50), b=visitors(0, 50))
    assert (found.clients, found.requests) == (50, 2 * REHEARSAL_REQUESTS_MIN)


def test_in_mode_observe_no_node_is_over() -> None:
    watched = enforcing(rule("low", "score <= 3"), mode=BotMode.OBSERVE)
    found = on_fleet(watched, a=visitors(0, 50, score=1))
    assert (found.over, found.nodes[0].over, found.nodes[0].share) == (False, False, 1.0)


def test_nodes_that_have_seen_nobody_are_not_told_and_the_others_are_bounded() -> None:
    names = {f"n{n:02d}": visitors(100 * n, 20) for n in range(REHEARSAL_NODES_TOLD_MAX + 2)}
    assert len(on_fleet(**names).nodes) == REHEARSAL_NODES_TOLD_MAX
    [one] = on_fleet(a=visitors(0, 20), b=[], c=[record(1, route="blog/all")]).nodes
    assert one.node == "a"
    nobody = on_fleet(a=[])
    assert (nobody.state, nobody.nodes) == (RehearsalState.NO_RECORDS, ())


@given(st.lists(st.sampled_from("abc"), min_size=150, max_size=150))
def test_all_nodes_together_tell_what_one_machine_would(where: list[str]) -> None:
    records = [record(n, client=n % 40, score=1 + n % 7) for n in range(150)]
    samples: dict[str, list[AccessRecord]] = {}
    for node, one in zip(where, records, strict=True):
        samples.setdefault(node, []).append(one)
    together, alone = on_fleet(**samples), tried(LOW, records, enforcing())
    kept = replace(together, nodes=(), over=alone.over, rules=())
    assert kept == replace(alone, rules=())
    assert together.over >= alone.over


def test_what_is_wanted_of_nodes_is_what_the_rules_ask_for() -> None:
    listed = replace(LOW, deny=(IpList(ListName("bad"), ("192.0.2.0/24",)),))
    assert wanted_of({SHOP: LOW}, {SHOP: LOW}) is None
    assert wanted_of({}, {SHOP: LOW}) == Wanted(("shop",), addresses=False)
    assert wanted_of({SHOP: LOW}, {SHOP: listed}) == Wanted(("shop",), addresses=True)
    assert wanted_of({SHOP: listed}, {SHOP: enforcing(rule("low", "score <= 4"))}) == Wanted(
        ("shop",), addresses=True
    ), "who was on a list before is not new"
    many = {SiteName(f"s{n}"): LOW for n in range(SAMPLE_SITES_NAMED_MAX + 1)}
    assert wanted_of({}, many) == Wanted()
