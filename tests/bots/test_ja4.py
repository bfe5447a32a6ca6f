"""JA4 from what a client sends, and every form of it: against values that were measured."""

import pytest

from seawall.bots import ja4, ja4_table
from seawall.bots.families import SHARES_HANDSHAKE, ClientFamily
from seawall.bots.hello import Hello, is_grease
from seawall.errors import RefusedError

CLIENTS = {client.name: client for client in ja4_table.builtin().clients}
# JA4_c for GREASE 0a0a, 1a1a .. fafa; ten of these were seen from Chromium behind Envoy 1.40.
CHROMIUM_156_SHOWN = """
    f10ceb9fcfd7 92a4fdd66f79 5cd47779f5c5 a323378790d4 541cd5a3d78e 33f857a189cb ff1e8fc497ec
    61307d0e143d f4f7aae15fbc 63ff51340b64 0d789d2519e1 a323666e1952 43736b97bd57 234dc10236f4
    937be626dbce e1144aa4d245
"""


def _shake(name: str) -> ja4_table.Shake:
    shake = CLIENTS[name].shake
    assert shake is not None
    return shake


def test_the_16_forms_of_chromium_156() -> None:
    forms = list(ja4.forms(_shake("chromium-156")))[:17]
    assert {form.extensions for form in forms} == {15}
    assert [form.c for form in forms] == ["cb7bf5808d99", *CHROMIUM_156_SHOWN.split()]
    assert [form.leak for form in forms] == [1, 2, *[3] * 15]


def test_the_resumed_form_of_chromium_156() -> None:
    forms = [form for form in ja4.forms(_shake("chromium-156")) if form.extensions == 16]
    assert len(forms) == 17
    assert forms[0].c == "e2d80978ab2e"


def test_openssl_fresh_and_resumed() -> None:
    forms = {form.c: form.extensions for form in ja4.forms(_shake("openssl-3.0"))}
    assert forms["1f22a2ca17c4"] == 9  # t13d311000: and the server name...
    assert forms["dbd39dd1d406"] == 10  # ...resumed, t13d311100


def test_firefox_resumes_without_its_session_ticket() -> None:
    fresh, resumed = ja4.forms(_shake("firefox-153"))
    assert (fresh.c, resumed.c) == ("3cbfd9057e0d", "e6dcd7ae0a9e")
    assert fresh.extensions == resumed.extensions


def test_padding_doubles_the_forms() -> None:
    forms = list(ja4.forms(_shake("chromium-99")))
    assert [form.c for form in forms[:1]] == ["e5627efa2ab1"]
    assert sorted(form.extensions for form in forms[:4]) == [13, 14, 14, 15]
    assert sorted(form.extensions for form in forms[4:]) == [12, 13, 13, 14]
    assert len({form.c for form in forms}) == 8


@pytest.mark.parametrize(
    ("protocol", "ends"),
    [
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"h3", "h3"),
        (b"", "00"),
        (b"x", "xx"),
        (b"\xab\xcd", "ad"),
        (b"\x0a\x0a", "0a"),
        (b"h-", "6d"),
    ],
)
def test_first_protocol(protocol: bytes, ends: str) -> None:
    hello = _hello(alpn=(protocol,))
    assert ja4.ja4_of(hello).split("_")[0].endswith(ends)


def test_no_protocol_no_name_no_lists() -> None:
    assert ja4.ja4_of(_hello()) == "t12i000000_000000000000_000000000000"


def test_counts_end_at_99() -> None:
    many = tuple(range(0x100, 0x100 + 150))
    assert ja4.ja4_of(_hello(ciphers=many, extensions=many)).startswith("t12i999900_")


def test_grease_is_nowhere_but_where_envoy_leaves_it() -> None:
    plain = _hello(
        versions=(0x0304, 0x0303),
        ciphers=(0x1301,),
        extensions=(0x0D,),
        signature_algorithms=(0x0403,),
    )
    greased = _hello(
        versions=(0x7A7A, 0x0304, 0x0303),
        ciphers=(0x0A0A, 0x1301),
        extensions=(0xFAFA, 0x0D, 0x3A3A),
        signature_algorithms=(0x1A1A, 0x0403),
    )
    assert ja4.ja4_of(greased) == ja4.ja4_of(plain)
    shown = ja4.ja4_of(greased, leaky=True)
    assert shown != ja4.ja4_of(plain, leaky=True)
    assert shown.rsplit("_", 1)[0] == ja4.ja4_of(plain).rsplit("_", 1)[0]


def test_every_client_has_forms_of_its_own() -> None:
    for client in CLIENTS.values():
        if client.shake is None:
            continue
        forms = list(ja4.forms(client.shake))
        assert len({form.c for form in forms}) == len(forms)
        assert ja4.canonical_of(client).endswith(forms[0].c)


def test_the_lua_table_says_how_long_it_is() -> None:
    text = ja4.lua_table()
    head, *rows = text.splitlines()
    assert head == f"ja4 1 {len(rows)}"
    assert text == ja4.lua_table(ja4_table.builtin())
    assert all(row.isascii() and row.isprintable() for row in rows)


def test_one_fingerprint_has_one_meaning() -> None:
    entry = _entry("curl-7.88-openssl")
    text = _file(_entry("python-urllib3"), entry, entry.replace("name: curl", "name: other"))
    ja4.lua_table(ja4_table.parse(text))
    other = entry.replace("name: curl", "name: other").replace(
        "family: openssl-tool", "family: perl"
    )
    with pytest.raises(RefusedError, match="two meanings") as caught:
        ja4.lua_table(ja4_table.parse(_file(entry, other)))
    assert caught.value.code == "ja4-table-ambiguous"


def test_a_table_that_does_not_fit_the_filter_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ja4, "JA4_ROWS_MAX", 20)
    table = ja4_table.parse(_file(_entry("chromium-156"), _entry("curl-7.88-openssl")))
    with pytest.raises(RefusedError, match=r"rows of .* bytes; at most 20 rows") as caught:
        ja4.lua_table(table)
    assert caught.value.code == "ja4-table-too-large"


def test_an_empty_table_is_a_table() -> None:
    text = ja4.lua_table(ja4_table.parse("{version: 1, generations: [], clients: []}"))
    assert all(row.startswith("a ") for row in text.splitlines()[1:])


def test_every_family_of_the_table_can_be_compared() -> None:
    shown = {client.family for client in CLIENTS.values()}
    usual = frozenset().union(*SHARES_HANDSHAKE.values())
    assert usual <= shown | {ClientFamily.GIT}
    assert all(1 <= family <= 60 for family in ClientFamily)


def _hello(
    *,
    versions: tuple[int, ...] = (),
    ciphers: tuple[int, ...] = (),
    extensions: tuple[int, ...] = (),
    alpn: tuple[bytes, ...] = (),
    signature_algorithms: tuple[int, ...] = (),
) -> Hello:
    return Hello(
        legacy_version=0x0303,
        ciphers=ciphers,
        extensions=extensions,
        server_name=False,
        versions=versions,
        alpn=alpn,
        signature_algorithms=signature_algorithms,
        groups=(),
    )


def _entry(name: str) -> str:
    shake = _shake(name)
    return "\n".join(
        (
            f"- name: {name}",
            f"  family: {CLIENTS[name].family.name.lower().replace('_', '-')}",
            f'  tls: "{shake.tls}"',
            f"  ciphers: {_codes(shake.ciphers)}",
            f"  extensions: {_codes(shake.extensions)}",
            f"  signature-algorithms: {_codes(shake.signature_algorithms)}",
            f"  alpn: [{shake.alpn.decode()}]",
            "  source: a test",
            '  date: "2026-11-28"',
        )
    )


def _codes(codes: tuple[int, ...]) -> str:
    return " ".join("grease" if is_grease(code) else f"{code:04x}" for code in codes)


def _file(*entries: str) -> str:
    return "version: 1\ngenerations: []\nclients:\n" + "\n".join(entries) + "\n"
