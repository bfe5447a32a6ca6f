"""data/ja4.yaml is read strictly: each mistake is refused with the entry and what is wrong."""

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from seawall import limits
from seawall.bots import ja4_table
from seawall.bots.families import ClientFamily
from seawall.errors import RefusedError

GENERATIONS = "generations: [{code: 1, family: chromium, first: 99, last: 110}]\n"
CLIENT = """\
clients:
- name: one
  family: chromium
  generation: 1
  tls: "13"
  ciphers: grease 1301
  extensions: grease 0000 0010 002b 000d
  signature-algorithms: grease 0403
  alpn: [h2, http/1.1]
  padding: true
  resumed-without: 000d
  source: a test
  date: "2026-11-28"
"""
GOOD = "version: 1\n" + GENERATIONS + CLIENT
ALONE = """\
- name: two
  family: go
  ja4: t13d190900_9dc949149365_97f8aa674fd9
  source: a test
  date: "2026-11-28"
"""


def test_a_table() -> None:
    table = ja4_table.parse(GOOD + ALONE)
    assert table.generations == (ja4_table.Generation(1, ClientFamily.CHROMIUM, 99, 110),)
    one, two = table.clients
    assert one.shake == ja4_table.Shake(
        tls="13",
        ciphers=(0x0A0A, 0x1301),
        extensions=(0x0A0A, 0, 0x10, 0x2B, 0x0D),
        signature_algorithms=(0x0A0A, 0x0403),
        alpn=b"h2",
        padding=True,
        resumed_without=(0x0D,),
        http1_without=(),
    )
    assert (two.shake, two.ja4) == (None, "t13d190900_9dc949149365_97f8aa674fd9")


def test_the_shipped_table_is_whole() -> None:
    table = ja4_table.builtin()
    assert len(table.clients) >= 40
    newest = [g for g in table.generations if g.last == ja4_table.LAST_MAJOR]
    assert {g.family for g in newest} == {
        ClientFamily.CHROMIUM,
        ClientFamily.FIREFOX,
        ClientFamily.SAFARI,
    }
    used = {client.generation for client in table.clients} - {0}
    assert used == {generation.code for generation in table.generations}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("version: 1", "version: 2"), "version 1"),
        (("version: 1\n", ""), "version 1"),
        (("clients:", "clientele:"), "clientele"),
        (("name: one", "name: One!"), "name"),
        (("name: one", "nam: one"), "nam"),
        (("family: chromium\n  gen", "family: chrome\n  gen"), "chrome"),
        (("  generation: 1", "  generation: 2"), "generation 2"),
        (("  generation: 1", "  generation: 0"), "from 1 to 90"),
        (("  generation: 1", "  generation: true"), "from 1 to 90"),
        (("family: chromium\n  gen", "family: firefox\n  gen"), "its family does not have"),
        (('tls: "13"', 'tls: "12"'), "extensions do not say"),
        (('tls: "13"', "tls: 13"), "tls"),
        (("grease 1301", "grease 130x"), "130x"),
        (("grease 1301", "grease 0x1301"), "0x1301"),
        (("grease 1301", "1301 " * 201), "more than 200"),
        (("ciphers: grease 1301", "ciphers: []"), "ciphers"),
        (("0000 0010", "0000 0000 0010"), "twice"),
        (("0000 0010", "0000 0029 0010"), "pre_shared_key"),
        (("0000 0010", "0000 0015 0010"), "padding"),
        (("0000 0010", "0000"), "ALPN"),
        (("grease 0403", "grease 0403 grease"), "GREASE twice"),
        (("alpn: [h2, http/1.1]", "alpn: h2"), "alpn"),
        (("alpn: [h2, http/1.1]", "alpn: []"), "ALPN"),
        (("padding: true", "padding: 1"), "padding"),
        (("resumed-without: 000d", "resumed-without: 000e"), "never sends"),
        (("resumed-without: 000d", "http1-without: 44cd"), "never sends"),
        (("source: a test", "source: 7"), "source"),
        (('date: "2026-11-28"', "date: 2026-11-28"), "date"),
        (("  source: a test\n", ""), "source"),
        (("last: 110", "last: 98"), "ends before"),
        (("code: 1,", "code: 91,"), "from 1 to 90"),
        (("last: 110}", "last: 110}, {code: 1, family: firefox, first: 1}"), "stands twice"),
        (("last: 110}", "last: 110}, {code: 2, family: chromium, first: 110}"), "overlaps"),
        ((GENERATIONS, "generations: {}\n"), "no list"),
        (("- name: one", "- one\n- name: one"), "no mapping"),
        (("alpn: [", "alpn: [["), "YAML"),
    ],
)
def test_a_mistake_is_refused_by_name(change: tuple[str, str], complaint: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(RefusedError, match=complaint) as caught:
        ja4_table.parse(GOOD.replace(*change, 1))
    assert caught.value.code == "ja4-table-malformed"


def test_an_entry_is_one_or_the_other() -> None:
    with pytest.raises(RefusedError, match="neither just a JA4 nor"):
        ja4_table.parse(GOOD + ALONE.replace("  ja4:", '  tls: "13"\n  ja4:'))
    with pytest.raises(RefusedError, match="no usable `ja4`"):
        ja4_table.parse(GOOD + ALONE.replace("t13d", "t13x"))
    with pytest.raises(RefusedError, match="stands twice"):
        ja4_table.parse(GOOD + ALONE + ALONE)


def test_a_table_has_a_size() -> None:
    with pytest.raises(RefusedError, match="larger than"):
        ja4_table.parse("#" * (limits.JA4_TABLE_SIZE_BYTES_MAX + 1))
    many = [{"name": f"n{n}"} for n in range(limits.JA4_ENTRIES_MAX + 1)]
    text = yaml.safe_dump({"version": 1, "generations": [], "clients": many})
    with pytest.raises(RefusedError, match="more than 500 entries"):
        ja4_table.parse(text)


@given(st.data())
def test_a_damaged_table_is_read_or_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    end = data.draw(st.integers(start, len(GOOD)))
    put = data.draw(st.text(alphabet=st.sampled_from('0a: -[]{}\n"&*1h\0'), max_size=6))
    with contextlib.suppress(RefusedError):
        ja4_table.parse(GOOD[:start] + put + GOOD[end:])
