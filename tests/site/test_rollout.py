"""The rollout and golden requests of a site file: what may be written, and what it means."""

import pytest

from seawall import limits
from seawall.compiler.compile import compile_edge
from seawall.ids import SiteName
from seawall.model import DEFAULT_POLICY, Edge, Golden, RolloutPolicy, Step, Wave, WithoutTraffic
from seawall.site.load import Loaded
from site_text import HEAD, certificate_files, ids, load_text

SITE = "sites:\n  shop:\n    hosts: [shop.example.com, '*.example.com']\n    origin: http://127.0.0.1:1\n"
SHOP = SiteName("shop")
BOTH = "version: 1\nlisten: {http: 127.0.0.1:8080, https: 127.0.0.1:8443}\n"


def edge_of(loaded: Loaded) -> Edge:
    assert loaded.edge is not None, [str(problem) for problem in loaded.problems]
    return loaded.edge


def policy(written: str) -> RolloutPolicy:
    return edge_of(load_text(f"{HEAD}rollout: {written}\n{SITE}")).rollout


def rollout_ids(written: str) -> set[str]:
    return ids(load_text(f"{HEAD}rollout: {written}\n{SITE}"))


def golden(written: str, head: str = HEAD, site: str = SITE) -> Loaded:
    return load_text(f"{head}{site}    golden: {written}\n", certificate_files())


def the_golden(written: str, head: str = HEAD, site: str = SITE) -> Golden:
    (found,) = edge_of(golden(written, head, site)).golden
    return found


def test_a_file_that_says_nothing_takes_the_usual_steps() -> None:
    assert edge_of(load_text(HEAD + SITE)).rollout == DEFAULT_POLICY
    assert policy("{}") == DEFAULT_POLICY
    assert [step.share_permille for step in DEFAULT_POLICY.steps] == [10, 100, 500]
    assert DEFAULT_POLICY.bake_s == limits.BAKE_S


def test_steps_are_shares_or_mappings_and_waves_are_shares_or_groups() -> None:
    written = (
        "{steps: [0.5%, {share: 20%, soak: 30s, deadline: 5m}], waves: [lab, 25%], bake: 10m, "
        "taste_deadline: 20s, without_traffic: hold, baseline: false}"
    )
    assert policy(written) == RolloutPolicy(
        steps=(Step(5, 5.0, 120.0), Step(200, 30.0, 300.0)),
        waves=(Wave(group="lab"), Wave(share=0.25)),
        taste_deadline_s=20.0,
        bake_s=600.0,
        without_traffic=WithoutTraffic.HOLD,
        baseline=False,
    )


@pytest.mark.parametrize(
    ("step", "soak_s", "deadline_s"),
    [
        ("soak: 10m", 600.0, 1200.0),
        ("soak: 30s", 30.0, 120.0),
        ("deadline: 2s", 2.0, 2.0),
        ("deadline: 5m", 5.0, 300.0),
        ("soak: 5m, deadline: 5m", 300.0, 300.0),
    ],
)
def test_a_time_that_nobody_wrote_contradicts_none(
    step: str, soak_s: float, deadline_s: float
) -> None:
    (taken,) = policy(f"{{steps: [{{share: 1%, {step}}}]}}").steps
    assert (taken.soak_s, taken.deadline_s) == (soak_s, deadline_s)


def test_no_steps_is_written_as_an_empty_list() -> None:
    assert policy("{steps: []}").steps == ()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{steps: [10%, 10%]}", "rollout-not-growing"),
        ("{steps: [10%, 1%]}", "rollout-not-growing"),
        ("{waves: [50%, 10%]}", "rollout-not-growing"),
        ("{waves: [lab, lab]}", "rollout-not-growing"),
        ("{waves: [100%, lab]}", "rollout-not-growing"),
        ("{steps: [{share: 1%, soak: 121s, deadline: 2m}]}", "rollout-deadline-too-short"),
        ("{steps: [51%]}", "rollout-cannot-finish"),
        ("{steps: [{share: 1%, deadline: 7d}], waves: [10%, 50%, 100%]}", "rollout-cannot-finish"),
        ("{steps: [{share: 1%, deadline: 4d}]}", "rollout-cannot-finish"),
        ("{steps: [0.05%]}", "out-of-range"),
        ("{steps: [0.15%]}", "out-of-range"),
        ("{steps: [101%]}", "out-of-range"),
        ("{steps: 1}", "wrong-type"),
        ("{steps: [.nan]}", "not-finite"),
        ("{steps: [{soak: 1s}]}", "missing-key"),
        ("{waves: [0%]}", "out-of-range"),
        ("{waves: [All Of Them]}", "bad-name"),
        ("{without_traffic: promote}", "unknown-value"),
        ("{bake: 0s}", "out-of-range"),
        ("{wave: [10%]}", "unknown-key"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(written: str, expected: str) -> None:
    loaded = load_text(f"{HEAD}rollout: {written}\n{SITE}")
    assert ids(loaded) == {expected}
    (problem,) = loaded.problems
    assert problem.location.line == 3
    assert problem.remedy


@pytest.mark.parametrize(
    "written",
    [
        "{steps: [50%]}",
        "{steps: [60%, 100%], baseline: false}",
        "{waves: [lab, 10%, office, 50%]}",
        "{steps: [{share: 1%, soak: 1m, deadline: 1m}]}",
    ],
)
def test_a_policy_at_its_bounds_is_fine(written: str) -> None:
    assert rollout_ids(written) == set()


def test_a_golden_request_may_be_a_path() -> None:
    assert the_golden("/health?full=1") == Golden(SHOP, "shop.example.com", "/health?full=1")


def test_a_golden_request_may_say_everything() -> None:
    written = (
        "{path: /, host: a.example.com, method: OPTIONS, headers: {Accept: text/html}, "
        "status: [200, 304], contains: hello}"
    )
    assert the_golden(written) == Golden(
        site=SHOP,
        host="a.example.com",
        path="/",
        method="OPTIONS",
        headers=(("accept", "text/html"),),
        status=(200, 304),
        contains="hello",
    )


def test_a_site_of_every_name_is_asked_as_localhost() -> None:
    everything = SITE.replace("shop.example.com, '*.example.com'", "'*'")
    assert the_golden("/", site=everything).host == "localhost"


def test_https_is_asked_where_people_end_up() -> None:
    https = SITE + "    tls: {cert: certs/shop.pem, key: certs/shop.key}\n"
    https = https.replace(", '*.example.com'", "")
    assert not the_golden("/", BOTH, https).https
    assert the_golden("/", BOTH, https + "    redirect_to_https: true\n").https
    assert the_golden("/", "version: 1\nlisten: {https: 127.0.0.1:8443}\n", https).https
    assert the_golden("{path: /, https: true}", BOTH, https).https


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{path: /, host: other.test}", "golden-unknown-host"),
        ("{path: /, host: mail.example.com}", "golden-unknown-host"),
        ("{path: /, method: POST}", "golden-unsafe-method"),
        ("{path: /, method: DELETE}", "golden-unsafe-method"),
        ("{path: /, headers: {Cookie: a}}", "golden-credentials"),
        ("{path: /, headers: {authorization: a}}", "golden-credentials"),
        ("{path: /, headers: {x-auth-token: a}}", "golden-credentials"),
        ("{path: '/?a=1&api_key=2'}", "golden-credentials"),
        ("{path: /, https: true}", "golden-unreachable"),
        ("{path: /, host: '*.example.com'}", "invalid-host"),
        ("{path: health}", "bad-path"),
        ("{path: //other.test/}", "bad-path"),
        ("{path: '/a#b'}", "bad-path"),
        ("{path: '/a b'}", "bad-path"),
        ("{path: /, method: HEAD, contains: a}", "contradictory-keys"),
        ("{path: /, status: 99}", "out-of-range"),
        ("{path: /, headers: {host: a}}", "invalid-header"),
        ("{path: /, headers: {x-envoy-internal: a}}", "invalid-header"),
        ("{}", "missing-key"),
        ("[5]", "wrong-type"),
    ],
)
def test_a_golden_request_that_proves_nothing_is_refused(written: str, expected: str) -> None:
    mail = "  mail: {hosts: [mail.example.com], origin: 'http://127.0.0.1:2'}\n"
    loaded = load_text(
        f"{HEAD}sites:\n{mail}{SITE.removeprefix('sites:')[1:]}    golden: {written}\n"
    )
    assert ids(loaded) == {expected}
    (problem,) = loaded.problems
    assert problem.location.line == 8
    assert problem.remedy


def test_a_site_of_wildcards_only_needs_a_host_in_its_golden_requests() -> None:
    below = SITE.replace("shop.example.com, ", "")
    assert ids(golden("/", site=below)) == {"golden-unknown-host"}
    assert ids(golden("{path: /, host: a.example.com}", site=below)) == set()


def test_too_many_golden_requests_are_refused() -> None:
    paths = ", ".join(f"/p{number}" for number in range(limits.GOLDEN_PER_SITE_MAX + 1))
    assert ids(golden(f"[{paths}]")) == {"too-many"}


def test_what_is_compiled_does_not_depend_on_policy_or_golden_requests() -> None:
    plain = edge_of(load_text(HEAD + SITE))
    other = edge_of(
        load_text(f"{HEAD}rollout: {{steps: [5%], bake: 1h}}\n{SITE}    golden: [/a, /b]\n")
    )
    assert other.golden
    assert other.rollout != plain.rollout
    assert compile_edge(other).digest == compile_edge(plain).digest
