"""The `bots` of a site file: what it becomes, and what is found wrong with it."""

import pytest

from seawall.bots.policy import DEFAULT_RULES
from seawall.limits import RESPONSE_BODY_SIZE_BYTES_MAX, ROBOTS_WRITTEN_SIZE_BYTES_MAX
from seawall.model import (
    OBSERVING,
    BotAction,
    BotCategory,
    BotChallenge,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    Feature,
    Site,
    Switch,
    apply_switches,
)
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import one_site
from site_text import HEAD, load_text

ORIGIN = "origin: http://127.0.0.1:3000\n"


def loaded(lines: str) -> Site:
    found = load_text(one_site(ORIGIN + lines))
    assert found.edge is not None, [str(p) for p in found.problems]
    assert found.problems == ()
    return found.edge.sites[0]


def problems(lines: str) -> list[Problem]:
    return list(load_text(one_site(ORIGIN + lines)).problems)


def ids(lines: str) -> list[str]:
    return [problem.id for problem in problems(lines)]


def rules(*written: str, mode: str = "enforce") -> str:
    return f"bots:\n  mode: {mode}\n  rules:\n" + "".join(f"    - {{{one}}}\n" for one in written)


def test_a_site_that_says_nothing_observes() -> None:
    site = loaded("")
    assert site.bots == OBSERVING
    assert site.bots.mode is BotMode.OBSERVE
    assert site.bots.robots_txt == ""
    assert all(route.bots for route in site.routes)


@pytest.mark.parametrize("mode", BotMode)
def test_the_short_form_is_the_mode(mode: BotMode) -> None:
    assert loaded(f"bots: {mode}").bots == BotPolicy(mode, DEFAULT_RULES)


def test_a_whole_policy() -> None:
    text = """
bots:
  mode: enforce
  rules:
    - {name: partner, when: 'path.startswith("/x")', do: allow}
    - {name: note, do: observe}
    - {name: all, do: challenge}
    - {name: hard, do: {challenge: {level: 3}}}
    - {name: slow, do: {rate: {requests: 60, per: 10m}}}
    - {name: pay, when: "score <= 5", do: payment}
  categories: {ai-training: block, seo: {limit: {requests: 5, per: 10s}}, search: allow}
  challenge: {level: 2, unavailable: refuse, clearance: 1h, ipv4_prefix: 32, ipv6_prefix: 64}
  static: score
"""
    bots = loaded(text).bots
    assert bots == BotPolicy(
        BotMode.ENFORCE,
        (
            BotRule("partner", 'path.startswith("/x")', BotAction(BotDo.ALLOW)),
            BotRule("note", "", BotAction(BotDo.OBSERVE)),
            BotRule("all", "", BotAction(BotDo.CHALLENGE)),
            BotRule("hard", "", BotAction(BotDo.CHALLENGE, level=3)),
            BotRule("slow", "", BotAction(BotDo.RATE, requests=60, per_s=600)),
            BotRule("pay", "score <= 5", BotAction(BotDo.PAYMENT)),
        ),
        (
            (BotCategory.AI_TRAINING, BotAction(BotDo.BLOCK)),
            (BotCategory.SEO, BotAction(BotDo.RATE, requests=5, per_s=10)),
            (BotCategory.SEARCH, BotAction(BotDo.ALLOW)),
        ),
        BotChallenge(2, passes_unavailable=False, clearance_s=3600.0, ipv4_bits=32, ipv6_bits=64),
        scores_static=True,
    )


def test_no_rules_are_other_than_none_written() -> None:
    assert loaded("bots: {mode: enforce, rules: []}").bots.rules == ()
    assert loaded("bots: {mode: enforce}").bots.rules == DEFAULT_RULES


def test_a_route_may_be_left_alone() -> None:
    site = loaded("routes: [{name: hook, prefix: /hook, bots: off}, {name: b, prefix: /b}]")
    assert [route.bots for route in site.routes] == [False, True, True]
    (problem,) = problems("routes: [{name: hook, prefix: /hook, bots: on}]")
    assert (problem.id, problem.remedy) == ("unknown-value", "Use `off`.")


def test_the_longest_robots_txt_is_one_that_envoy_answers_with() -> None:
    everybody = ", ".join(f"{category.value}: block" for category in BotCategory)
    line = "a" * (ROBOTS_WRITTEN_SIZE_BYTES_MAX // 100 - len("Sitemap: \n"))
    site = loaded(
        f"bots: {{mode: observe, categories: {{{everybody}}}, "
        f"robots: {{extra: [{', '.join([line] * 100)}]}}}}"
    )
    assert len(site.bots.robots_txt) > ROBOTS_WRITTEN_SIZE_BYTES_MAX * 0.9
    assert len(site.bots.robots_txt) < RESPONSE_BODY_SIZE_BYTES_MAX


def test_robots_txt_follows_the_categories_and_names_real_bots() -> None:
    site = loaded("bots: {mode: observe, categories: {ai-training: block}, robots: true}")
    assert "User-agent: GPTBot\n" in site.bots.robots_txt
    assert "User-agent: Google-Extended\n" in site.bots.robots_txt
    assert "Content-Signal: ai-train=no\n" in site.bots.robots_txt
    assert loaded("bots: {mode: observe, robots: false}").bots.robots_txt == ""


# --- Problems -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "id_", "words"),
    [
        ("bots: enforced", "unknown-value", "Did you mean `enforce`?"),
        ("bots: false", "wrong-type", "Write `observe`"),
        ("bots: {rule: []}", "unknown-key", "Did you mean `rules`?"),
        ("bots: {mode: enforce, rules: [{name: a, do: blok}]}", "unknown-value", "`block`"),
        ("bots: {mode: enforce, rules: [{name: a, do: {}}]}", "contradictory-keys", "exactly one"),
        (
            rules("name: a, do: {challenge: {level: 1}, rate: {requests: 1, per: 10s}}"),
            "contradictory-keys",
            "two rules",
        ),
        (rules("name: a, do: {rate: {requests: 1, per: 30s}}"), "out-of-range", "`10m`"),
        (rules("name: a, do: {rate: {requests: 0, per: 10s}}"), "out-of-range", "1 to"),
        (rules("name: a, do: {challenge: {level: 4}}"), "out-of-range", "1 to 3"),
        (rules("name: A b, do: allow"), "bad-name", "lower-case"),
        (rules("name: a"), "missing-key", "`do"),
        (rules("name: a, when: true, do: challenge"), "wrong-type", "quotes"),
        ("bots: {mode: enforce, categories: {ai: block}}", "unknown-value", "`ai-training`"),
        ("bots: {mode: enforce, categories: {seo: challenge}}", "unknown-value", "`block`"),
        ("bots: {mode: enforce, robots: {sitemaps: sitemap.xml}}", "bad-url", "https://"),
        ("bots: {mode: enforce, robots: {extra: Zürich}}", "wrong-type", "one line"),
        (
            f"bots: {{robots: {{extra: [{', '.join(['a' * 490] * 100)}]}}}}",
            "too-many",
            "sitemap index",
        ),
        ("bots: {mode: enforce, challenge: {clearance: 2d}}", "out-of-range", "1m to 1d"),
    ],
)
def test_what_cannot_be_written(written: str, id_: str, words: str) -> None:
    (problem,) = problems(written)
    assert problem.id == id_
    assert words in f"{problem.what} {problem.remedy}"


def test_a_list_of_rules_that_is_too_long_is_refused() -> None:
    many = rules(*(f"name: r{n}, when: score <= {n % 90 + 1}, do: challenge" for n in range(65)))
    assert ids(many) == ["too-many"]


def test_a_faulty_condition_names_its_place_and_column() -> None:
    (problem,) = problems(rules("name: low, when: score <= 2 and pth, do: challenge"))
    assert problem.id == "bad-bot-rule"
    assert problem.what.startswith("Column 16 of the condition: `pth`")
    assert problem.remedy == "Did you mean `path`?"
    assert problem.location.line == 10


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (
            rules("name: a, do: allow", "name: b, when: score <= 2, do: block"),
            "bot-rule-unreachable",
        ),
        (
            rules(
                "name: a, when: 'score <= 2', do: block", "name: b, when: score<=2, do: challenge"
            ),
            "bot-rule-unreachable",
        ),
        (
            rules(
                "name: a, when: 'verified', do: allow",
                "name: b, when: 'score is absent and verified', do: block",
            ),
            "bot-rule-unreachable",
        ),
        (rules("name: a, do: block"), "bot-rule-blocks-everyone"),
        (rules("name: a, when: 'true', do: payment"), "bot-rule-blocks-everyone"),
        ("class: api\n" + rules("name: a, do: challenge"), "challenge-needs-page"),
        ("bots: {categories: {seo: block}}", "bot-rules-observed"),
        ("bots: {rules: [{name: a, when: score <= 2, do: block}]}", "bot-rules-observed"),
        (rules("name: a, when: 'claims == \"gogglebot\"', do: observe"), "unknown-bot"),
        (rules("name: a, when: '\"nobody\" == verified', do: observe"), "unknown-bot"),
        (rules("name: a, when: 'not impostor in [\"nobody\"]', do: observe"), "unknown-bot"),
        (
            rules("name: a, when: score <= 2, do: block", "name: a, when: score <= 3, do: block"),
            "bot-rule-duplicate",
        ),
    ],
)
def test_what_makes_no_sense(written: str, found: str) -> None:
    assert ids(written) == [found]


@pytest.mark.parametrize(
    "written",
    [
        rules("name: a, do: challenge", "name: b, do: observe"),
        rules("name: a, do: {rate: {requests: 9, per: 10s}}", "name: b, do: challenge"),
        rules("name: a, do: observe", "name: b, when: score <= 2, do: block"),
        rules("name: a, when: score <= 2, do: block", "name: b, when: score <= 3, do: block"),
        rules("name: a, when: score <= 2 or verified, do: allow", "name: b, do: challenge"),
        rules("name: a, when: score <= 2, do: block", mode="observe"),
        "bots: {robots: true}",
        "bots: {mode: off}",
        "class: api\nroutes: [{name: p, prefix: /p, class: page}]\n"
        + rules("name: a, do: challenge"),
        rules('name: a, when: \'claims in ["googlebot", ""] and host == "nobody"\', do: observe'),
    ],
)
def test_what_makes_sense(written: str) -> None:
    assert ids(written) == []


def test_only_faults_that_would_mislead_refuse_the_file() -> None:
    warned = "class: api\n" + rules("name: a, when: 'verified == \"x\"', do: challenge")
    assert {p.severity for p in problems(warned)} == {Severity.WARNING}
    assert load_text(one_site(ORIGIN + warned)).edge is not None


def test_no_policy_ends_the_loader() -> None:
    for junk in ("5", "[]", "[5]", "{rules: 5}", "{rules: {a: b}}", "{categories: [seo]}",
                 "{rules: [5]}", "{rules: [{name: 5, when: [], do: {rate: []}}]}", "{robots: 5}",
                 "{challenge: hard}", "{rules: [{name: a, do: {rate: {per: 5}}}]}"):  # fmt: skip
        found = load_text(one_site(f"{ORIGIN}bots: {junk}"))
        assert found.edge is None
        assert found.problems


# --- Switches -------------------------------------------------------------------------------------


def test_a_switch_takes_bots_away_and_keeps_what_the_edge_says_to_crawlers() -> None:
    text = HEAD + (
        "sites:\n"
        "  a: {hosts: [a.example], origin: 'http://127.0.0.1:1',\n"
        "      bots: {mode: enforce, robots: true}}\n"
        "  b: {hosts: [b.example], origin: 'http://127.0.0.1:1', bots: enforce}\n"
    )
    edge = load_text(text).edge
    assert edge is not None
    first = edge.sites[0].name
    alone = apply_switches(edge, [Switch(Feature.BOTS, first, 0.0, "r", "me")])
    assert [s.bots.mode for s in alone.sites] == [BotMode.OFF, BotMode.ENFORCE]
    assert alone.sites[0].bots.robots_txt
    every = apply_switches(edge, [Switch(Feature.CHALLENGE, None, 0.0, "r", "me")])
    for site in every.sites:
        assert {r.name: r.action.do for r in site.bots.rules} == {
            "probes": BotDo.RATE, "automated": BotDo.OBSERVE,
        }  # fmt: skip
