"""lua/agent.lua: what user agents claim, and whether that goes with a handshake."""

from pathlib import Path

import lupa.luajit21 as lupa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.fingerprint_readers import Agents
from seawall.bots.families import ClientFamily as Family
from seawall.bots.script import module

TEXTS = Path(__file__).with_name("test_agent_texts.tsv")
"""User agents of people's browsers and of declared robots and tools, from public collections
(fake-useragent, Apache-2.0; browserforge, Apache-2.0; crawler-user-agents, MIT)."""
BROWSERS = {Family.CHROMIUM, Family.FIREFOX, Family.SAFARI, Family.OTHER_BROWSER}
CODES = (
    "family",
    "engine",
    "major",
    "os",
    "length",
    "mozilla",
    "headless",
    "mobile",
    "bot",
    "generation",
)
LINUX = "Mozilla/5.0 (X11; Linux x86_64) "
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
KIT = "AppleWebKit/537.36 (KHTML, like Gecko) "
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
CHROME_156 = LINUX + KIT + "Chrome/156.0.0.0 Safari/537.36"
FIREFOX_153 = LINUX[:-2] + "; rv:153.0) Gecko/20100101 Firefox/153.0"


AGENTS = Agents()


def _lines(kind: str) -> list[str]:
    rows = (line.split("\t", 1) for line in TEXTS.read_text("ascii").splitlines())
    return [text for named, text in rows if named == kind]


def test_people_are_not_called_robots() -> None:
    people = _lines("person")
    assert len(people) == 180
    for text in people:
        facts = AGENTS.read(text)
        assert facts["family"] in BROWSERS, text
        assert (facts["bot"], facts["headless"], facts["mozilla"]) == (1, 1, 2), text
        assert facts["os"], text


def test_robots_and_tools_that_say_so_are_heard() -> None:
    robots = _lines("robot")
    assert len(robots) == 220
    for text in robots:
        assert AGENTS.read(text)["family"] not in BROWSERS, text


@pytest.mark.parametrize(
    ("text", "family", "name", "version"),
    [
        ("curl/7.88.1", Family.CURL, "curl", 7),
        ("Wget/1.21.3", Family.WGET, "wget", 1),
        ("python-requests/2.34.2", Family.PYTHON, "python-requests", 2),
        ("Python-urllib/3.11", Family.PYTHON, "python-urllib", 3),
        ("Python/3.11 aiohttp/3.14.5", Family.PYTHON, "python", 3),
        ("python-httpx/0.28.1", Family.PYTHON, "python-httpx", 0),
        ("HTTPie/3.2.1", Family.PYTHON, "httpie", 3),
        ("Go-http-client/1.1", Family.GO, "go-http-client", 1),
        ("Java-http-client/17.0.15", Family.JAVA, "java-http-client", 17),
        ("Java/17.0.15", Family.JAVA, "java", 17),
        ("node", Family.NODE, "node", 0),
        ("axios/1.21.1", Family.NODE, "axios", 1),
        ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", Family.NODE, "node-fetch", 1),
        ("git/2.39.5", Family.GIT, "git", 2),
        ('pip/23.2.1 {"ci":null,"cpu":"x86_64"}', Family.PACKAGE_MANAGER, "pip", 23),
        ("Debian APT-HTTP/1.3 (2.6.1)", Family.PACKAGE_MANAGER, "debian", 0),
        ("newsboat/2.21.0 (Linux x86_64)", Family.FEED_READER, "newsboat", 2),
        ("w3m/0.5.3+git20230121", Family.TEXT_BROWSER, "w3m", 0),
        (
            "Lynx/2.9.0dev.12 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.7.8",
            Family.TEXT_BROWSER,
            "lynx",
            2,
        ),
        ("okhttp/4.12.0", Family.MOBILE_APP, "okhttp", 4),
        ("Shop/27 CFNetwork/1490.0.4 Darwin/23.2.0", Family.MOBILE_APP, "cfnetwork", 1490),
        ("DAVx5/4.4 (dav4jvm; okhttp/4.12.0) Android/14", Family.MOBILE_APP, "okhttp", 4),
        ("iOS/17.0 (21A329) dataaccessd/1.0", Family.MOBILE_APP, "dataaccessd", 1),
        ("Mozilla/5.0 (Linux) mirall/3.13.0 (Nextcloud)", Family.MOBILE_APP, "mirall", 3),
        ("Microsoft-WebDAV-MiniRedir/10.0", Family.MOBILE_APP, "microsoft-webdav-miniredir", 10),
        ("davfs2/1.6.1 neon/0.32.4", Family.MOBILE_APP, "davfs2", 1),
        ("Blackbox Exporter/0.25.0", Family.MONITOR, "blackbox", 0),
        ("Telegraf/1.30 Go/1.22", Family.MONITOR, "telegraf", 1),
        ("buildkit/v0.13", Family.PACKAGE_MANAGER, "buildkit", 0),
        ("libfetch/2.0", Family.PACKAGE_MANAGER, "libfetch", 2),
        ("containers/5.29 (github.com/containers/image)", Family.PACKAGE_MANAGER, "containers", 5),
        ("urlgrabber/3.10 yum/3.4.3", Family.PACKAGE_MANAGER, "yum", 3),
        ("curl/8.4.0 Nix/2.18.1", Family.PACKAGE_MANAGER, "nix", 2),
        (
            "winget-cli WindowsPackageManager/1.8.1911 DesktopAppInstaller/v1.23.1911.0",
            Family.PACKAGE_MANAGER,
            "winget-cli",
            0,
        ),
        (
            "Scoop/1.0 (+http://scoop.sh/) PowerShell/7.4 (Windows NT 10.0; Win64; x64; )",
            Family.PACKAGE_MANAGER,
            "scoop",
            1,
        ),
        ("vcpkg/2024-01-11-710a3116 (curl)", Family.PACKAGE_MANAGER, "vcpkg", 2024),
        ("fwupd/1.9.5", Family.PACKAGE_MANAGER, "fwupd", 1),
        ("RSSGuard/4.6.1", Family.FEED_READER, "rssguard", 4),
        ("NextCloud-News/1.0", Family.FEED_READER, "nextcloud-news", 1),
        ("OpenTofu/1.6 (+https://opentofu.org/)", Family.PACKAGE_MANAGER, "opentofu", 1),
        (
            "GoModuleMirror/1.0 (+https://proxy.golang.org)",
            Family.PACKAGE_MANAGER,
            "gomodulemirror",
            1,
        ),
        ("Uptime-Kuma/1.23", Family.MONITOR, "uptime-kuma", 1),
        ("sqlmap/1.7 (https://sqlmap.org)", Family.SCANNER, "sqlmap", 1),
        (
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            Family.PREVIEW,
            "facebookexternalhit",
            1,
        ),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            Family.CRAWLER,
            "googlebot",
            2,
        ),
        (
            "Mozilla/5.0 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            Family.AI_CRAWLER,
            "gptbot",
            1,
        ),
        ("Nobody-Knows-Bot/3.1", Family.CRAWLER, "nobody-knows-bot", 3),
        (
            LINUX + KIT + "HeadlessChrome/156.0.0.0 Safari/537.36",
            Family.HEADLESS,
            "headlesschrome",
            156,
        ),
        (CHROME_156, Family.CHROMIUM, "chrome", 156),
        (CHROME_156 + " Edg/156.0.0.0", Family.CHROMIUM, "edg", 156),
        (CHROME_156 + " OPR/120.0.0.0", Family.CHROMIUM, "opr", 156),
        (FIREFOX_153, Family.FIREFOX, "firefox", 153),
        (
            IPHONE + "(KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
            Family.SAFARI,
            "safari",
            26,
        ),
        (
            IPHONE + "(KHTML, like Gecko) CriOS/156.0 Mobile/15E148 Safari/604.1",
            Family.SAFARI,
            "crios",
            0,
        ),
        (
            IPHONE + "(KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/400]",
            Family.SAFARI,
            "safari",
            0,
        ),
        (
            MAC + "(KHTML, like Gecko) Version/18.0 Safari/605.1.15",
            Family.SAFARI,
            "safari",
            18,
        ),
        (
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)",
            Family.OTHER_BROWSER,
            "msie",
            8,
        ),
        ("Chrome", Family.OTHER, "chrome", 0),
        ("something else entirely", Family.OTHER, "something", 0),
        ("\x00\x01", Family.OTHER, "", 0),
    ],
)
def test_what_a_text_claims(text: str, family: Family, name: str, version: int) -> None:
    facts = AGENTS.read(text)
    assert (facts["family"], facts["name"], facts["version"]) == (family, name, version)


@pytest.mark.parametrize(
    "device", ["CUBOT X18", "XBot_Senior", "M bot 54", "Spider 8", "IDbot553", "HTC_Sensation"]
)
def test_telephones_are_not_robots(device: str) -> None:
    text = f"Mozilla/5.0 (Linux; Android 9; {device}) {KIT}Chrome/150.0.0.0 Mobile Safari/537.36"
    facts = AGENTS.read(text)
    assert (facts["family"], facts["bot"], facts["os"], facts["mobile"]) == (1, 1, 4, 2)


@pytest.mark.parametrize(
    "robot",
    [
        "(compatible; Unheard/1.0) ",
        "(see https://crawler.example/about) ",
        "mail me@example.com ",
        "acme.com/agent ",
        "AcmeSpider/2.0 ",
    ],
)
def test_a_browser_with_a_robots_mark_is_a_robot(robot: str) -> None:
    facts = AGENTS.read(WINDOWS + KIT + "Chrome/156.0.0.0 " + robot + "Safari/537.36")
    assert (facts["family"], facts["bot"]) == (Family.CRAWLER, 2)
    assert (facts["engine"], facts["version"], facts["generation"]) == (Family.CHROMIUM, 156, 5)


@pytest.mark.parametrize("text", [None, "", " ", "\t \n"])
def test_nothing_is_a_case_of_its_own(text: str | None) -> None:
    facts = AGENTS.read(text)
    assert facts["family"] == Family.EMPTY
    assert all(facts[code] == 0 for code in CODES if code != "family")


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (0, 0),
        (1, 1),
        (40, 1),
        (41, 2),
        (60, 2),
        (61, 3),
        (80, 3),
        (81, 4),
        (99, 4),
        (100, 5),
        (156, 61),
        (184, 89),
        (185, 90),
        (10_000, 90),
    ],
)
def test_majors_of_chrome_and_firefox(version: int, code: int) -> None:
    text = f"{LINUX}{KIT}Chrome/{version}.0.0.0 Safari/537.36"
    assert AGENTS.read(text)["major"] == code
    assert AGENTS.read(FIREFOX_153.replace("153", str(version)))["major"] == code


def test_majors_of_others() -> None:
    assert AGENTS.read("curl/7.88.1")["major"] == 8
    assert AGENTS.read("curl/999999999999999999999999999.1")["major"] == 90


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("Windows NT 10.0; Win64; x64", 1),
        ("Macintosh; Intel Mac OS X 10_15_7", 2),
        ("X11; Linux x86_64", 3),
        ("Linux; Android 10; K", 4),
        ("iPhone; CPU iPhone OS 18_5 like Mac OS X", 5),
        ("iPad; CPU OS 18_5 like Mac OS X", 5),
        ("X11; CrOS x86_64 14541.0.0", 6),
        ("X11; FreeBSD amd64", 7),
        ("PlayStation 5", 7),
        ("unheard of", 0),
    ],
)
def test_systems(system: str, code: int) -> None:
    text = f"Mozilla/5.0 ({system}) {KIT}Chrome/156.0.0.0 Safari/537.36"
    assert AGENTS.read(text)["os"] == code


@pytest.mark.parametrize(
    ("length", "code"), [(1, 1), (2, 5), (3, 7), (8, 13), (512, 37), (4096, 49)]
)
def test_length_in_quarter_powers_of_two(length: int, code: int) -> None:
    assert AGENTS.read("x" * length)["length"] == code


CHROMIUM = "t13d1517h2_8daaf6152771_ff1e8fc497ec"
CHROME_120 = "t13d1516h2_8daaf6152771_02713d6af862"
PYTHON = "t13d1812h1_85036bcba153_b26ce05bbdd6"
GNUTLS = "t13d2912h2_723694b0fccc_288f874c93d6"
UNKNOWN = "t13d1234h2_0123456789ab_0123456789ab"


@pytest.mark.parametrize(
    ("text", "fingerprint", "agreement", "gap"),
    [
        (CHROME_156, CHROMIUM, 3, 45),
        (CHROME_156.replace("Chrome", "HeadlessChrome"), CHROMIUM, 3, 45),
        (CHROME_156, CHROME_120, 3, 48),
        (CHROME_156.replace("156", "120"), CHROMIUM, 3, 42),
        (CHROME_156.replace("156", "148"), CHROMIUM, 3, 0),
        (CHROME_156, PYTHON, 1, 0),
        (CHROME_156, UNKNOWN, 2, 0),
        (CHROME_156, None, 2, 0),
        (FIREFOX_153, CHROMIUM, 1, 0),
        (FIREFOX_153, "t13d1617h2_86a278354501_3cbfd9057e0d", 3, 45),
        ("python-requests/2.34.2", PYTHON, 3, 0),
        ("git/2.39.5", GNUTLS, 3, 0),
        ("newsboat/2.21.0 (Linux x86_64)", GNUTLS, 2, 0),
        ("curl/7.88.1", PYTHON, 1, 0),
        (None, PYTHON, 2, 0),
        # Only JA4_b is known, and three families share it.
        (CHROME_156, "t13d1519h2_8daaf6152771_0123456789ab", 2, 0),
        ("python-requests/2.34.2", "t13d1519h2_8daaf6152771_0123456789ab", 1, 0),
    ],
)
def test_claim_against_handshake(
    text: str | None, fingerprint: str | None, agreement: int, gap: int
) -> None:
    assert AGENTS.against(text, fingerprint) == (agreement, gap)


def test_every_browser_of_an_iphone_shakes_hands_as_safari() -> None:
    shell = IPHONE + "(KHTML, like Gecko) CriOS/156.0 Mobile/15E148 Safari/604.1"
    assert AGENTS.against(shell, "t13d2014h2_a09f3c656075_e42f34c56612") == (3, 45)
    assert AGENTS.against(shell, CHROMIUM) == (1, 0)


IOS_17 = "t13d2014h2_a09f3c656075_14788d8d241b"
IOS_18 = "t13d2014h2_a09f3c656075_e42f34c56612"
IOS_26_0 = "t13d2015h2_a09f3c656075_c258b721e490"
TOR = "t13d1513h2_8daaf6152771_748f4c70de1c"
TOR_128 = "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.mark.parametrize(
    ("text", "fingerprint", "gap"),
    [
        (IPHONE + "Mobile/15E148 [FBAN/FBIOS;FBAV/511.0.0.39.94;FBSV/18.5]", IOS_18, 45),
        (IPHONE + "GSA/370.0 Mobile/15E148 Safari/604.1", IOS_18, 45),
        (IPHONE + "CriOS/156.0 Mobile/15E148 Safari/604.1", IOS_17, 46),
        (IPHONE + "Version/18.5 Mobile/15E148 Safari/604.1", IOS_17, 46),
        (IPHONE + "Version/26.0 Mobile/15E148 Safari/604.1", IOS_26_0, 45),
        (MAC + "Version/15.5 Safari/605.1.15", IOS_17, 45),
        (TOR_128, TOR, 45),
        (CHROME_156, TOR, 0),
        (IPHONE.replace("18_5", "11_0") + "Mobile/15E148", IOS_18, 0),
        (IPHONE.replace(" OS 18_5", "") + "CriOS/156.0", IOS_18, 0),
    ],
)
def test_who_tells_no_major_of_its_own_is_behind_nobody(
    text: str, fingerprint: str, gap: int
) -> None:
    assert AGENTS.against(text, fingerprint)[1] == gap


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=700))
def test_any_text_has_codes_in_range(text: str) -> None:
    facts = AGENTS.read(text)
    assert all(type(facts[code]) is int and 0 <= facts[code] <= 90 for code in CODES)
    assert AGENTS.read(text) == facts


def test_a_very_long_text_is_read_in_part_and_not_kept() -> None:
    agents = Agents()
    facts = agents.read(CHROME_156 + " x" * 50_000)
    assert (facts["family"], facts["length"]) == (Family.CHROMIUM, 67)
    assert agents.object.cached == 0


def test_the_cache_is_bounded() -> None:
    agents = Agents()
    for number in range(5_000):
        agents.read(f"tool/{number}")
        assert agents.object.cached <= 2_048


@pytest.mark.parametrize("line", ["g 1 1 99", "g x 1 99 110", "a 1", "a one 2"])
def test_a_bad_table_is_refused_when_it_is_loaded(line: str) -> None:
    agent = lupa.LuaRuntime(encoding="latin-1").execute(module("agent"))
    with pytest.raises(lupa.LuaError, match="no form"):
        agent.new(f"ja4 1 1\n{line}\n")
