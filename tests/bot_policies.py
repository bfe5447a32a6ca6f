"""`policy.lua` in process, asked with the same facts as its twin in Python; and any policy."""

from importlib import resources
from typing import Any

from hypothesis import strategies as st
from lupa.luajit21 import LuaRuntime

from seawall.bots.expression_names import NAMES, Facts, Name, Type
from seawall.bots.features import FEATURES
from seawall.model import (
    BOT_WINDOWS_S,
    BotAction,
    BotCategory,
    BotChallenge,
    BotDo,
    BotMode,
    BotPolicy,
    BotRule,
    RouteClass,
)


class LuaPolicy:
    """The module, loaded once."""

    def __init__(self) -> None:
        self.runtime = LuaRuntime(unpack_returned_tuples=True, encoding="utf-8")
        source = (resources.files("seawall.bots") / "lua" / "policy.lua").read_text("utf-8")
        self.module: Any = self.runtime.execute(source)

    def compile(self, text: object) -> tuple[Any, str]:
        """The policy object of `text`, and why there is none."""
        found = self.module.compile(text)
        return found if isinstance(found, tuple) else (found, "")

    def table(self, facts: Facts, **more: object) -> Any:
        """`facts` as the filter hands them over."""
        fields: dict[str, object] = {
            "path": facts.path,
            "method": facts.method,
            "host": facts.host,
            "protocol": facts.protocol,
            "score": facts.score,
            "verified": facts.verified,
            "impostor": facts.impostor,
            "claims": facts.claims,
            "category": facts.category,
            "cleared": facts.cleared,
            "private": facts.private,
            "request_id": "3f9c0d1e-0000-4000-8000-000000000001",
            **{f"r{s}": n for s, n in zip(BOT_WINDOWS_S, facts.requests, strict=True)},
        }
        table = self.runtime.table_from({k: v for k, v in fields.items() if v is not None})
        table.accept = facts.accept or None
        table.codes = self.runtime.table_from(list(facts.codes))
        for key, value in more.items():
            table[key] = value
        return table

    def wants_score(self, policy: Any, facts: Facts) -> bool:
        """Whether the filter asks for a score."""
        return bool(policy.wants_score(policy, self.table(facts)))

    def decide(self, policy: Any, facts: Facts, **more: object) -> tuple[str, str, Any]:
        """Action, rule (empty for none) and detail."""
        action, rule, detail = policy.decide(policy, self.table(facts, **more))
        return action, rule or "", detail


PATHS = (
    "/",
    "/a",
    "/login",
    "/robots.txt",
    "/.well-known/acme-challenge/x",
    "/.well-known/seawall/challenge/solve",
    "/.well-known/security.txt",
    "/repo.git/info/refs",
    "/a.test/mod/@v/list",
    "/a.test/mod/@latest",
    "/@latest",
    "/v2/",
    "/v2/app/manifests/1",
    "/v2/app/tags/list",
    "/sitemap.xml",
    "/blog/Post-Sitemap.xml.gz",
    "/en/Feed.XML",
    "/files/app-1.2.ZIP",
    "/zip",
    "/a.zip/b",
    "/app.webmanifest",
    "/x.nowebmanifest",
    "/ä%41'\"]]",
)
WORDS = ("", "a", "/", "googlebot", '"', "' or true --", "]]", "\x00", "GET", "a" * 150)

paths = st.sampled_from(PATHS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(
    lambda t: "/" + t.replace("?", "")
)
texts = st.sampled_from(WORDS)
NUMBERS = (0, 1, 2, 3, 12, 50, 99)
"""Few, so that what is compared is often equal."""
counts = st.none() | st.sampled_from(NUMBERS)
codes = st.just(()) | st.lists(
    st.integers(0, 12), min_size=len(FEATURES), max_size=len(FEATURES)
).map(tuple)
facts_of_requests = st.builds(
    Facts,
    path=paths,
    method=st.sampled_from(("GET", "POST", "HEAD", "OPTIONS", "PUT")),
    host=texts,
    route_class=st.sampled_from([c.value for c in RouteClass]),
    protocol=st.sampled_from(("", "HTTP/1.1", "HTTP/2")),
    score=st.none() | st.sampled_from(NUMBERS[1:]),
    codes=codes,
    verified=st.sampled_from(("", "googlebot")),
    impostor=st.sampled_from(("", "bingbot")),
    claims=st.sampled_from(("", "googlebot", "gptbot")),
    category=st.sampled_from(("", "none", *(c.value for c in BotCategory))),
    cleared=st.integers(0, 3),
    requests=st.tuples(counts, counts, counts),
    private=st.sampled_from((False, False, False, True)),
    accept=st.sampled_from(("", "*/*", "text/html,application/rss+xml;q=0.5", "application/rss")),
)


def _literal(name: Name, draw: Any) -> str:
    if name.type is Type.TEXT or (name.words and draw(st.booleans())):
        words = [word for word, _ in name.words] or [w for w in WORDS if w.isprintable() and w]
        word = draw(st.sampled_from(words))
        return f"'{word}'" if '"' in word and "'" not in word else f'"{word.replace(chr(34), "")}"'
    fitting = [number for number in NUMBERS if name.least <= number <= name.most]
    return str(draw(st.sampled_from(fitting)))


@st.composite
def conditions(draw: Any, depth: int = 0) -> str:
    """Text of a condition without faults."""
    if depth < 3 and draw(st.integers(0, 2)) == 0:
        left, right = draw(conditions(depth + 1)), draw(conditions(depth + 1))
        joined = draw(st.sampled_from([" and ", " or "]))
        return draw(st.sampled_from(["({})", "not ({})"])).format(left + joined + right)
    name = NAMES[draw(st.sampled_from(sorted(NAMES)))]
    if name.type is Type.FLAG:
        return name.text
    literal = _literal(name, draw)
    forms = ["{n} == {v}", "{n} != {v}", "{n} in [{v}]", "{n} not in [{v}, {v}]"]
    if name.text != "cleared":
        forms += ["{n} is absent", "{n} is not absent"]
    if name.type is Type.TEXT:
        forms += ["{n}.startswith({v})", "{n}.endswith({v})", "{v} in {n}", "{n}"]
    elif not literal.startswith(("'", '"')):
        forms += ["{n} < {v}", "{v} <= {n}", "{v} < {n} <= {v}", "{n} >= {v}", "{n} > score"]
    return draw(st.sampled_from(forms)).format(n=name.text, v=literal)


rates = st.builds(
    BotAction,
    st.just(BotDo.RATE),
    requests=st.sampled_from(NUMBERS[1:]),
    per_s=st.sampled_from(BOT_WINDOWS_S),
)
actions = rates | st.builds(
    BotAction,
    st.sampled_from([do for do in BotDo if do is not BotDo.RATE]),
    level=st.integers(0, 3),
)
rules = st.lists(st.tuples(conditions(), actions), max_size=6).map(
    lambda pairs: tuple(BotRule(f"r{i}", when, act) for i, (when, act) in enumerate(pairs))
)
policies = st.builds(
    BotPolicy,
    mode=st.sampled_from(BotMode),
    rules=rules,
    categories=st.dictionaries(st.sampled_from(BotCategory), actions, max_size=4).map(
        lambda d: tuple(d.items())
    ),
    challenge=st.builds(BotChallenge, level=st.integers(1, 3)),
    scores_static=st.booleans(),
    robots_txt=st.sampled_from(("", "User-agent: *\nAllow: /\n")),
)
