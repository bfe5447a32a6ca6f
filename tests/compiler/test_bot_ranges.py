"""Published ranges in the compiled filter: the same text each time, and changes in plain words."""

from compiler import build
from seawall.compiler.compile import compile_edge
from seawall.compiler.diff import diff
from seawall.compiler.model_words import script_of
from seawall.compiler.snapshot import Snapshot
from seawall.ids import ListName
from seawall.model import IpList
from seawall.verify.lua import lists_in, without_lists

NETWORKS = ("66.249.64.0/27", "2001:4860:4801::/64")


def _snapshot(*lists: IpList) -> Snapshot:
    return compile_edge(build.edge(lists=lists))


def _ranges(networks: tuple[str, ...] = NETWORKS, fetched_s: int | None = 1_800_000_000) -> IpList:
    return IpList(ListName("google-common"), networks, fetched_s)


def _words(before: IpList, after: IpList) -> list[str]:
    return [change.text for change in diff(_snapshot(before), _snapshot(after))]


def test_equal_lists_give_equal_texts_that_can_be_read_back() -> None:
    assert _snapshot(_ranges()) == _snapshot(_ranges())
    text = script_of(_snapshot(_ranges(), IpList(ListName("others"), NETWORKS)))
    assert lists_in(text) == {
        "google-common": "# seawall ranges 1\n# list: google-common\n# fetched: 1800000000\n"
        "66.249.64.0/27\n2001:4860:4801::/64\n"
    }
    assert without_lists(text) == script_of(_snapshot())


def test_a_list_without_a_date_has_none_in_the_filter() -> None:
    (content,) = lists_in(script_of(_snapshot(_ranges(fetched_s=None)))).values()
    assert "fetched" not in content


def test_changes_of_ranges_are_told_in_words() -> None:
    more = _ranges((*NETWORKS, "2001:4860:4802::/64"))
    assert _words(_ranges(), more) == [
        "edge: bot ranges google-common: 2 -> 3 networks (+1, -0)",
    ]
    dated = _ranges(fetched_s=1_800_000_001)
    assert _words(_ranges(), dated) == [
        "edge: bot ranges google-common: the same 2 networks, with a new date",
    ]
    assert _words(IpList(ListName("google-common")), _ranges()) == [
        "edge: bot ranges google-common: 0 -> 2 networks (+2, -0)",
    ]
