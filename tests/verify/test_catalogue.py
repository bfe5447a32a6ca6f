"""Who a user agent says it is, in Python and in Lua alike, and what a catalogue may hold."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall import limits
from seawall.errors import RefusedError
from seawall.model import BOT_PURPOSES
from seawall.verify.catalogue import assemble, catalogue, parse
from seawall.verify.dns import host_matches
from verify import lua_side

LUA = lua_side.load()
REAL = {
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": "googlebot",
    "Googlebot-Image/1.0": "googlebot",
    "Mozilla/5.0 (X11; Linux x86_64; Storebot-Google/1.0) AppleWebKit/537.36": "googlebot",
    "AdsBot-Google (+http://www.google.com/adsbot.html)": "google-ads",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; "
    "+http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36": "bingbot",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)": "applebot",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; "
    "+https://openai.com/gptbot)": "gptbot",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; OAI-SearchBot/1.0; "
    "+https://openai.com/searchbot)": "oai-searchbot",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; "
    "+https://openai.com/bot)": "chatgpt-user",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; "
    "+claudebot@anthropic.com)": "claudebot",
    "Mozilla/5.0 AppleWebKit/537.36 (compatible; Claude-SearchBot/1.0)": "claude-searchbot",
    "CCBot/2.0 (https://commoncrawl.org/faq/)": "ccbot",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": "facebook-preview",
    "Mozilla/5.0 (Macintosh) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 "
    "facebookexternalhit/1.1 Facebot Twitterbot/1.0": "imessage-preview",
    "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)": (
        "meta-externalagent"
    ),
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)": "ahrefsbot",
    "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)": "pingdom",
    "FeedFetcher-Google; (+http://www.google.com/feedfetcher.html)": "google-feedfetcher",
    "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)": (
        "yahoo-slurp"
    ),
    "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)": "sogou",
    "GOOGLEBOT/2.1": "googlebot",
    "Googlebot": "googlebot",
    "(Googlebot-evil)": "googlebot",
    "NotGooglebot/2.1 but Googlebot/2.1": "googlebot",
}
NOBODY = [
    "",
    " ",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "NotGooglebot/2.1",
    "Googlebots/2.1",
    "googlebo t",
    "xGPTBotx",
    "\x00\xff\n",
    "x" * limits.VERIFY_USER_AGENT_BYTES_MAX + " Googlebot",
]


def _lua_claim(user_agent: str) -> str | None:
    bot = LUA.claim(user_agent.encode("utf-8", "replace").decode("latin-1"))
    return None if bot is None else bot.name


@pytest.mark.parametrize("user_agent", REAL)
def test_real_user_agents_are_told(user_agent: str) -> None:
    bot = catalogue().claim(user_agent)
    assert bot is not None
    assert bot.name == REAL[user_agent]
    assert _lua_claim(user_agent) == bot.name


@pytest.mark.parametrize("user_agent", NOBODY)
def test_others_are_nobody(user_agent: str) -> None:
    assert catalogue().claim(user_agent) is None
    assert _lua_claim(user_agent) is None


TOKENS = [token for bot in catalogue().bots for token in bot.tokens]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(st.sampled_from(TOKENS), st.sampled_from(" /;-_.()x1é"), st.text(max_size=5)),
        max_size=12,
    )
)
def test_python_and_lua_read_alike(parts: list[str]) -> None:
    user_agent = "".join(parts)
    bot = catalogue().claim(user_agent)
    assert _lua_claim(user_agent) == (None if bot is None else bot.name)


def test_every_token_finds_its_bot_in_lua_and_python() -> None:
    for bot in catalogue().bots:
        for token in bot.tokens:
            assert catalogue().claim(f"a ({token}/1)") is bot
            assert _lua_claim(f"a ({token}/1)") == bot.name
        assert LUA.named(bot.name).number == bot.number
    assert LUA.named("nobody") is None


def test_lua_forgets_user_agents_and_stays_right() -> None:
    for number in range(3_000):
        assert _lua_claim(f"agent {number} Googlebot/{number}") == "googlebot"
    assert _lua_claim("agent 1 Googlebot/1") == "googlebot"


def test_lua_survives_what_is_no_user_agent() -> None:
    for value in (None, 5, True, 1.5):
        assert LUA.claim(value) is None


def test_the_catalogue_is_large_and_each_category_is_there() -> None:
    bots = catalogue().bots
    assert len(bots) >= 40
    assert {bot.category for bot in bots} == set(BOT_PURPOSES)
    assert [bot.number for bot in bots] == list(range(1, len(bots) + 1))


def test_every_list_is_used_and_every_name_has_a_proof_documented() -> None:
    used = {name for bot in catalogue().bots for name in bot.ranges}
    assert used == set(catalogue().sources)
    assert all(bot.docs for bot in catalogue().bots if bot.provable)
    assert sum(bot.provable for bot in catalogue().bots) >= 30


def test_previews_that_phones_send_too_can_be_no_impostors() -> None:
    for name in ("facebook-preview", "imessage-preview", "twitterbot"):
        (bot,) = [bot for bot in catalogue().bots if bot.name == name]
        assert not bot.provable


def test_the_page_names_every_bot_with_its_proofs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "verified-bots.md").read_text()
    for bot in catalogue().bots:
        kinds = {"dns": bot.hosts, "ranges": bot.ranges, "signature": bot.directory}
        proofs = "+".join(word for word, there in kinds.items() if there)
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{bot.category}` |")]
        assert (f"`{bot.name}` ({proofs})" if proofs else f"`{bot.name}`") in row, bot.name


def _one(**changed: Any) -> str:
    bot = {
        "number": 1,
        "name": "good",
        "category": "search",
        "tokens": ["Goodbot"],
        "hosts": ["good.example"],
        "ranges": ["good"],
        "docs": "https://good.example/bot",
    } | changed
    bot = {key: value for key, value in bot.items() if value is not None}
    lists = {"good": {"format": "json", "urls": ["https://good.example/list"]}}
    return yaml.safe_dump({"lists": lists, "bots": [bot]})


def test_a_small_catalogue_is_read() -> None:
    (bot,) = parse(_one()).bots
    assert bot.provable
    assert not bot.only_ranges
    assert parse(_one(hosts=None)).bots[0].only_ranges
    assert not parse(_one(hosts=None, partial=True)).bots[0].only_ranges


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "bots: []",
        "lists: {}\nbots: []\nmore: 1",
        "lists: {}\nlists: {}\nbots: []",
        "lists: {}\nbots: {}",
        "lists: {}\nbots: [5]",
        "lists: []\nbots: []",
        "lists: {Bad_: {format: json, urls: [https://a.example]}}\nbots: []",
        "lists: {a: {format: xml, urls: [https://a.example]}}\nbots: []",
        "lists: {a: {format: json, urls: []}}\nbots: []",
        "lists: {a: {format: json, urls: [http://a.example]}}\nbots: []",
        "lists: {a: {format: json}}\nbots: []",
        "[" * 5_000,
        "a" * (limits.VERIFY_CATALOGUE_SIZE_BYTES_MAX + 1),
        _one(name="Bad Name"),
        _one(name=None),
        _one(number=0),
        _one(number=65_536),
        _one(number="1"),
        _one(number=True),
        _one(category="spam"),
        _one(tokens=["abc"]),
        _one(tokens=["Goodbot/"]),
        _one(tokens=["Göodbot"]),
        _one(tokens="Goodbot"),
        _one(tokens=["Goodbot", "goodBOT"]),
        _one(tokens=[]),
        _one(hosts=["GOOD.example"]),
        _one(hosts=["*"]),
        _one(hosts=[".good.example"]),
        _one(hosts=["example"]),
        _one(ranges=["other"]),
        _one(docs=None),
        _one(docs="http://good.example"),
        _one(directory="http://good.example"),
        _one(directory="https://good.example#keys"),
        _one(directory=5),
        _one(surprise=1),
        _one(partial=True),
        _one(partial="yes", hosts=None),
    ],
)
def test_what_is_no_catalogue_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse(text)
    assert refused.value.code == "bot-catalogue-refused"


def test_numbers_names_and_directories_stand_once() -> None:
    bot = parse(_one()).bots[0]
    sources = parse(_one()).sources
    other = dataclasses.replace(bot, number=2, name="other", tokens=("Otherbot",))
    assert len(assemble((bot, other), sources).bots) == 2
    for twice in (
        dataclasses.replace(other, number=1),
        dataclasses.replace(other, name="good"),
        dataclasses.replace(other, tokens=("GOODBOT",)),
    ):
        with pytest.raises(RefusedError):
            assemble((bot, twice), sources)


@pytest.mark.parametrize(
    "name", ["googlebot", "google-other", "google-ads", "google-cloudvertexbot"]
)
def test_what_people_have_fetched_by_google_is_no_crawler_of_it(name: str) -> None:
    """Names as Google documents them, of its own crawlers and of what people have fetched."""
    (bot,) = (bot for bot in catalogue().bots if bot.name == name)
    crawlers = (
        "crawl-66-249-66-1.googlebot.com",
        "geo-crawl-35-247-243-240.geo.googlebot.com",
        "rate-limited-proxy-66-249-90-77.google.com",
    )
    others = ("google-proxy-66-249-81-10.google.com", "35-1-1-1.gae.googleusercontent.com")
    found = {host: any(host_matches(host, one) for one in bot.hosts) for host in crawlers + others}
    assert found == dict.fromkeys(crawlers, True) | dict.fromkeys(others, False)
