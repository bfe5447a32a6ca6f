"""lua/ja4.lua on the table of the builder: every form of every client, and what is no JA4."""

from typing import Any

import lupa.luajit21 as lupa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.fingerprint_readers import Reader
from seawall.bots import ja4, ja4_table
from seawall.bots.families import ClientFamily

ABSENT = {"stable": "-", "canonical": "-"} | dict.fromkeys(
    (
        "tls",
        "sni",
        "ciphers",
        "extensions",
        "alpn",
        "family",
        "generation",
        "known",
        "grease",
    ),
    0,
)
MEASURED = {
    # client: JA4 that Envoy 1.40 showed for it, GREASE removed (a capture of its own, 2026-11-23)
    "curl_7.88_openssl": ("t13d3112h2_e8f1e7e78f70_b26ce05bbdd6", ClientFamily.OPENSSL_TOOL),
    "curl_8.14_openssl3.5": ("t13d3013h2_1d37bd780c83_8537cf56674e", ClientFamily.OPENSSL_TOOL),
    "py3.13_debian_ssl": ("t13d301200_1d37bd780c83_ecd0401ec68b", ClientFamily.OPENSSL_TOOL),
    "py3.13_debian_httpx": ("t13d3013h1_1d37bd780c83_ecd0401ec68b", ClientFamily.OPENSSL_TOOL),
    "wget1_gnutls": ("t13d291300_723694b0fccc_899037bd0b8c", ClientFamily.WGET),
    "httpie": ("t13d4312h1_c7886603b240_b26ce05bbdd6", ClientFamily.PYTHON),
    "w3m": ("t13d931100_76395a2b3870_24695f2957a7", ClientFamily.TEXT_BROWSER),
    "lynx": ("t13d291300_723694b0fccc_2cc26d266019", ClientFamily.GNUTLS_TOOL),
    "git": ("t13d2912h2_723694b0fccc_288f874c93d6", ClientFamily.GNUTLS_TOOL),
    "hey_go1.19": ("t13d190900_9dc949149365_97f8aa674fd9", ClientFamily.GO),
    "node_fetch_undici": ("t13d5911h1_a33745022dd6_1f22a2ca17c4", ClientFamily.NODE),
    "node_https": ("t13d591000_a33745022dd6_1f22a2ca17c4", ClientFamily.NODE),
    "java17_httpclient": ("t13d3713h2_db35923f8641_7c76daad20ec", ClientFamily.JAVA),
    "pip": ("t13d4312h1_c7886603b240_b26ce05bbdd6", ClientFamily.PYTHON),
    "py_urllib": ("t13d181100_85036bcba153_d41ae481755e", ClientFamily.PYTHON),
    "py_requests": ("t13d1812h2_85036bcba153_b26ce05bbdd6", ClientFamily.PYTHON),
    "py_httpx_h1": ("t13d1812h1_85036bcba153_d41ae481755e", ClientFamily.PYTHON),
    "py_requests_urllib3": ("t13d1812h1_85036bcba153_b26ce05bbdd6", ClientFamily.PYTHON),
    "curl_cffi_plain": ("t13d2712h2_b4f9224df7c1_cbb9361b6bf9", ClientFamily.CURL),
    "chrome150": ("t13d1516h2_8daaf6152771_806a8c22fdea", ClientFamily.CHROMIUM),
    "chrome110": ("t13d1516h2_8daaf6152771_e5627efa2ab1", ClientFamily.CHROMIUM),
    "chrome120": ("t13d1516h2_8daaf6152771_02713d6af862", ClientFamily.CHROMIUM),
    "chrome136": ("t13d1516h2_8daaf6152771_d8a2da3f94cd", ClientFamily.CHROMIUM),
    "chrome131_android": ("t13d1517h2_8daaf6152771_b1ff8ab2d16f", ClientFamily.CHROMIUM),
    "chrome133_h3": ("t13d1516h3_8daaf6152771_d8a2da3f94cd", ClientFamily.CHROMIUM),
    "chromium156": ("t13d1517h2_8daaf6152771_cb7bf5808d99", ClientFamily.CHROMIUM),
    "firefox133": ("t13d1716h2_5b57614c22b0_eeeea6562960", ClientFamily.FIREFOX),
    "firefox144": ("t13d1717h2_5b57614c22b0_3cbfd9057e0d", ClientFamily.FIREFOX),
    "firefox120": ("t13d1713h2_5b57614c22b0_748f4c70de1c", ClientFamily.FIREFOX),
    "firefox153": ("t13d1617h2_86a278354501_3cbfd9057e0d", ClientFamily.FIREFOX),
    "safari26.0.1": ("t13d2013h2_a09f3c656075_7f0f34a4126d", ClientFamily.SAFARI),
    "safari17": ("t13d2014h2_a09f3c656075_14788d8d241b", ClientFamily.SAFARI),
    "safari18": ("t13d2014h2_a09f3c656075_e42f34c56612", ClientFamily.SAFARI),
    "safari_ios26": ("t13d2015h2_a09f3c656075_c258b721e490", ClientFamily.SAFARI),
}


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(ja4.lua_table())


@pytest.mark.parametrize("client", MEASURED)
def test_measured_clients_are_known_and_canonical(reader: Reader, client: str) -> None:
    text, family = MEASURED[client]
    facts = reader.read(text)
    assert facts["known"] == 3
    assert facts["canonical"] == text
    assert facts["family"] == family
    assert facts["grease"] == 1


def test_a_python_of_openssl_3_5_is_the_same_when_it_resumes(reader: Reader) -> None:
    fresh = reader.read("t13d301200_1d37bd780c83_ecd0401ec68b")
    resumed = reader.read("t13d301300_1d37bd780c83_064a7c7852a7")  # both as Envoy showed them
    assert resumed["canonical"] == fresh["canonical"] == "t13d301200_1d37bd780c83_ecd0401ec68b"
    assert resumed["known"] == fresh["known"] == 3


def test_codes_of_the_current_chromium(reader: Reader) -> None:
    assert reader.read("t13d1517h2_8daaf6152771_cb7bf5808d99") == {
        "stable": "t13d15_8daaf6152771",
        "canonical": "t13d1517h2_8daaf6152771_cb7bf5808d99",
        "tls": 2,
        "sni": 2,
        "ciphers": 15,
        "extensions": 17,
        "alpn": 3,
        "family": ClientFamily.CHROMIUM,
        "generation": 5,
        "known": 3,
        "grease": 1,
    }


@pytest.mark.parametrize("client", ja4_table.builtin().clients, ids=lambda client: client.name)
@pytest.mark.parametrize("server_name", [True, False])
def test_every_form_of_a_client_is_the_same_client(
    reader: Reader, client: ja4_table.Client, server_name: bool
) -> None:
    if client.shake is None:
        return
    whole = ja4.canonical(client.shake, server_name=server_name)
    a, b, _ = whole.split("_")
    first, *others = ja4.forms(client.shake)
    base = reader.read(whole)
    for form in (first, *others):
        extensions = int(a[6:8]) + form.extensions - first.extensions
        text = f"{a[:6]}{extensions:02d}{a[8:]}_{b}_{form.c}"
        facts = reader.read(text)
        assert facts["known"] == 3
        assert facts["stable"] == base["stable"]
        assert facts["family"] == client.family
        if facts["generation"] != client.generation:
            # HTTP/1.1 leaves out the one thing in which two generations differ.
            assert (facts["generation"], form.canonical == first.c) == (0, False)
        assert facts["grease"] == form.leak
        again = reader.read(facts["canonical"])
        assert again["canonical"] == facts["canonical"]
        assert again["extensions"] == facts["extensions"]


def test_a_websocket_of_chromium_is_the_same_client(reader: Reader) -> None:
    socket = reader.read("t13d1517h1_8daaf6152771_95854252379f")  # resumed, GREASE, HTTP/1.1 only
    page = reader.read("t13d1517h2_8daaf6152771_a323378790d4")
    assert socket["stable"] == page["stable"]
    assert socket["canonical"] == reader.read(socket["canonical"])["canonical"]
    assert socket["canonical"].startswith("t13d1516h1_8daaf6152771_")
    assert (socket["known"], socket["family"], socket["grease"]) == (3, ClientFamily.CHROMIUM, 3)


def test_without_alpn_and_server_name(reader: Reader) -> None:
    facts = reader.read("t13i151500_8daaf6152771_cb7bf5808d99")
    assert (facts["known"], facts["sni"], facts["alpn"]) == (3, 1, 1)
    assert facts["canonical"] == "t13i151500_8daaf6152771_cb7bf5808d99"


def test_counts_that_do_not_fit_the_hash_are_not_believed(reader: Reader) -> None:
    assert reader.read("t13d1519h2_8daaf6152771_cb7bf5808d99")["known"] == 2
    assert reader.read("t12d1517h2_8daaf6152771_cb7bf5808d99")["known"] == 1
    assert reader.read("t13d1617h2_8daaf6152771_cb7bf5808d99")["known"] == 1


def test_a_new_browser_with_old_ciphers_is_known_in_part(reader: Reader) -> None:
    facts = reader.read("t13d1718h2_5b57614c22b0_0123456789ab")
    assert (facts["known"], facts["family"], facts["generation"]) == (2, ClientFamily.FIREFOX, 0)
    assert facts["canonical"] == "t13d1718h2_5b57614c22b0_0123456789ab"
    assert facts["grease"] == 0
    shared = reader.read("t13d1518h2_8daaf6152771_0123456789ab")
    assert (shared["known"], shared["family"]) == (2, 0)
    assert set(shared["families"]) == {
        ClientFamily.CHROMIUM,
        ClientFamily.FIREFOX,
        ClientFamily.MOBILE_APP,
    }


def test_an_unknown_client(reader: Reader) -> None:
    facts = reader.read("t12i990100_0123456789ab_0123456789ab")
    assert facts == {
        "stable": "t12i99_0123456789ab",
        "canonical": "t12i990100_0123456789ab_0123456789ab",
        "tls": 1,
        "sni": 1,
        "ciphers": 90,
        "extensions": 1,
        "alpn": 1,
        "family": 0,
        "generation": 0,
        "known": 1,
        "grease": 0,
    }


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "-",
        "t13d1517h2_8daaf6152771_cb7bf5808d9",
        "t13d1517h2_8daaf6152771_cb7bf5808d99x",
        "t13d1517h2_8daaf6152771-cb7bf5808d99",
        "x13d1517h2_8daaf6152771_cb7bf5808d99",
        "t13d1517h2_8daaf6152771_cb7bf5808dzz",
        "t13d15-7h2_8daaf6152771_cb7bf5808d99",
        "\0" * 36,
        "x" * 100_000,
        7,
        True,
    ],
)
def test_what_is_no_ja4_is_absent(reader: Reader, text: object) -> None:
    assert reader.read(text) == ABSENT


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60))
def test_any_text_is_read(text: str) -> None:
    assert _SHARED.read(text) == ABSENT


@given(
    st.from_regex(
        r"[tqd][0-9a-zA-Z]{2}[di][0-9]{4}[0-9a-zA-Z]{2}_[0-9a-f]{12}_[0-9a-f]{12}", fullmatch=True
    )
)
def test_any_ja4_has_codes_in_range(text: str) -> None:
    facts = _SHARED.read(text)
    assert facts["canonical"] == text
    assert facts["known"] in {1, 2}
    codes = {key: code for key, code in facts.items() if isinstance(code, int)}
    assert set(codes) == set(ABSENT) - {"stable", "canonical"}
    assert all(0 <= code <= 90 for code in codes.values())


def test_the_cache_is_bounded_and_equal_texts_give_one_table(reader: Reader) -> None:
    for number in range(5_000):
        reader.read(f"t13d1517h2_{number:012x}_cb7bf5808d99")
        assert reader.object.cached <= 2_048
    one = reader.object.read(reader.object, "t13d1517h2_8daaf6152771_cb7bf5808d99")
    reader.lua.globals().one = one
    reader.lua.globals().two = reader.object.read(
        reader.object, "t13d1517h2_8daaf6152771_cb7bf5808d99"
    )
    assert reader.lua.eval("rawequal(one, two)")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda _: "", "version 1"),
        (lambda text: text.replace("ja4 1", "ja4 2", 1), "version 1"),
        (lambda text: text[:-1], "missing"),
        (lambda text: text[: len(text) // 2].rsplit("\n", 1)[0] + "\n", "missing"),
        (lambda text: text + text.splitlines()[-1] + "\n", "twice"),
        (lambda text: text.replace("\nc 13 ", "\nc 1x3 ", 1), "no form"),
        (lambda text: text.replace("\nb 13 ", "\nb nan ", 1), "no form"),
        (lambda text: text + "x 1 2\n", "no kind"),
        (lambda _: None, "no text"),
    ],
)
def test_a_bad_table_is_refused_when_it_is_loaded(change: Any, complaint: str) -> None:
    with pytest.raises(lupa.LuaError, match=complaint):
        Reader(change(ja4.lua_table()))


_SHARED = Reader(ja4.lua_table())
