import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo.catalogue import ALL, chosen, full, schedule
from zoo.drivers import DRIVERS, WORKERS, hands
from zoo.headers import SETS, Visit, disguise
from zoo.identity import Identities
from zoo.kinds import Class, Configuration, Kind
from zoo.pages import TRAP, answer
from zoo.plan import BEHAVIOURS, STEPS_MAX, steps
from zoo.run import workers

ORIGIN = "https://localhost:1234"


def test_there_are_more_than_thirty_clients_each_with_a_name_of_its_own() -> None:
    assert len({c.name for c in ALL}) == len(ALL) >= 30
    assert {c.kind for c in ALL} == set(Kind)
    assert {c.label for c in ALL} == set(Class)


def test_a_family_is_of_one_kind() -> None:
    kinds: dict[str, set[Kind]] = {}
    for configuration in ALL:
        kinds.setdefault(configuration.family, set()).add(configuration.kind)
    assert {family: found for family, found in kinds.items() if len(found) > 1} == {}


@pytest.mark.parametrize("configuration", ALL, ids=lambda c: c.name)
def test_a_client_names_what_exists(configuration: Configuration) -> None:
    assert configuration.driver in DRIVERS
    assert DRIVERS[configuration.driver].lane in WORKERS
    assert not configuration.headers or configuration.headers in SETS
    if configuration.kind is not Kind.HUMAN:
        assert set(configuration.behaviours) <= set(BEHAVIOURS)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_a_behaviour_is_bounded_and_the_same_for_the_same_seed(behaviour: str) -> None:
    configuration = ALL[0]
    for seed in range(20):
        first = steps(configuration, behaviour, random.Random(seed), ORIGIN)
        assert first == steps(configuration, behaviour, random.Random(seed), ORIGIN)
        assert 1 <= len(first) <= STEPS_MAX
        assert all(step.path.startswith("/") and step.pause_s < 20 for step in first)


def test_behaviours_ask_for_what_the_site_has_but_for_probes() -> None:
    for behaviour in set(BEHAVIOURS) - {"probe"}:
        for seed in range(10):
            for step in steps(ALL[0], behaviour, random.Random(seed), ORIGIN):
                assert answer(step.method, step.path, step.body.encode()).status < 400, step


def test_the_same_seed_makes_the_same_set_and_another_one_another() -> None:
    first, again, other = (schedule(ALL, 0.1, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert {b.configuration.name for b in first} == {c.name for c in ALL}


def test_a_full_set_has_the_sessions_that_are_promised() -> None:
    count = dict.fromkeys(Class, 0)
    browsers = 0
    for batch in schedule(ALL, 1.0, 1):
        assert 1 <= len(batch.sessions) <= batch.configuration.batch
        count[batch.configuration.label] += len(batch.sessions)
        browsers += len(batch.sessions) * (batch.lane == "browsers")
    assert sum(count.values()) >= 1500
    assert count[Class.HUMAN] >= 60
    assert browsers >= 200


def test_no_two_sessions_share_an_address() -> None:
    batches = schedule(ALL, 1.0, 1)
    addresses = [planned.address for batch in batches for planned in batch.sessions]
    assert len(addresses) == len(set(addresses))


def test_addresses_are_never_routed_ones() -> None:
    identities = Identities(random.Random(3))
    allowed = [ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("2001:db8::/32")]
    found = [ipaddress.ip_address(identities.next()) for _ in range(2000)]
    assert all(any(a in network for network in allowed) for a in found)
    assert 200 < sum(a.version == 6 for a in found) < 600


@given(st.integers(0, 2**32), st.sampled_from(sorted(SETS)), st.sampled_from(("document", "empty")))
def test_a_copied_header_set_is_whole_and_names_each_header_once(
    seed: int, name: str, kind: str
) -> None:
    major, platform, language = disguise(random.Random(seed))
    made = SETS[name](Visit(ORIGIN + "/", kind, major, platform, language))
    names = [header.lower() for header, _ in made]
    assert len(names) == len(set(names))
    assert all(value for _, value in made)


def test_robots_txt_forbids_the_trap_and_people_do_not_see_it() -> None:
    assert f"Disallow: {TRAP}" in answer("GET", "/robots.txt").body.decode()
    page = answer("GET", "/").body.decode()
    assert f"<p class=note aria-hidden=true><a href={TRAP}" in page
    assert (
        ".note{position:absolute;left:-9999px}" in answer("GET", "/static/site.css").body.decode()
    )


@pytest.mark.parametrize(
    "target", ["/articles/9999", "/category/77", "/nope", "/repo.git/../x", ""]
)
def test_unknown_paths_are_not_found(target: str) -> None:
    assert answer("GET", target).status == 404
    assert answer("DELETE", target).status == 405


def test_lanes_without_work_lend_their_workers() -> None:
    assert workers(WORKERS) == dict(sorted(WORKERS.items()))
    assert workers(["people"]) == {"people": sum(WORKERS.values())}
    assert sum(workers(["people", "light"]).values()) == sum(WORKERS.values())
    assert workers([]) == {}


def test_only_people_can_be_asked_for_and_how_many() -> None:
    for word in ("people", "human"):
        people = [c for c in ALL if chosen(c, [word])]
        assert {c.label for c in people} == {Class.HUMAN}
    assert [c for c in ALL if chosen(c, [])] == list(ALL)
    assert all("wget" in c.name for c in ALL if chosen(c, ["wget"]))
    batches = schedule(people, 500 / full(people), 1)
    assert 450 < sum(len(batch.sessions) for batch in batches) < 550


def test_people_differ_in_what_their_driver_knows() -> None:
    known = {"browser", "seconds", "private", "cookies", "scripts", "images", "referers"}
    known |= {"tracking", "dark", "resists", "blocks", "tools", "language", "habit", "pace"}
    known |= {"visits", "opens"}
    for configuration in ALL:
        if configuration.kind is Kind.HUMAN:
            assert set(configuration.options) <= known
            assert configuration.options.get("habit", "") in hands.HABITS


@pytest.mark.parametrize("habit", hands.HABITS)
def test_hands_stay_on_the_screen_and_begin_the_same_way(habit: str) -> None:
    size = (1024, 768)
    manner = hands.Manner(habit)
    for seed in range(30):
        made = hands.deeds(random.Random(seed), ORIGIN, size, typed=True, manner=manner)
        again = hands.deeds(random.Random(seed), ORIGIN, size, typed=True, manner=manner)
        for _ in range(30):
            deed = next(made)
            assert deed == next(again)
            assert 0 < deed.dwell_s < 20
            for orders in deed.orders:
                for place, word in enumerate(orders):
                    if word == "mousemove":
                        assert 0 <= int(orders[place + 1]) < size[0]
                        assert 0 <= int(orders[place + 2]) < size[1]
