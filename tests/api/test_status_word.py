"""The word of a status is the worst that is true, also while a release is on its way."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest

from seawall.api.nodes import Seen
from seawall.api.status import Look, status_view
from seawall.api.status_views import CertificateView, ControlView, NoticeView, StatusView
from seawall.api.views import ReleaseView
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.rollout.ports import EnvoyState, NodeReport, Phase

_R1: Final = ReleaseView(
    *("r1", "0" * 64, "site", None, "ann", "", 0.0, ""),
    current=True,
    serving=True,
    last_known_good=True,
)
_ENVOY: Final = EnvoyState(7, "1.40", 60.0, 0, live=True, memory_bytes=1)
_REPORT: Final = NodeReport(
    NodeName("local"),
    Generation(1),
    ReleaseId("r1"),
    Digest("0" * 64),
    Phase.GOOD,
    envoy=_ENVOY,
)
_DEAD: Final = replace(_REPORT, envoy=replace(_ENVOY, live=False))
_ERROR: Final = NoticeView("error", "node-twice", "Two machines report as node a.")


def _word(
    *said: NodeReport | NoticeView, busy: str = "", ends_s: Sequence[float] = ()
) -> tuple[str, str]:
    view = _status(*said, busy=busy, ends_s=ends_s)
    return view.state, view.summary


def _status(
    *said: NodeReport | NoticeView, busy: str = "", ends_s: Sequence[float] = ()
) -> StatusView:
    reports = [one for one in said if isinstance(one, NodeReport)]
    notices = [one for one in said if isinstance(one, NoticeView)]
    look = Look(
        now_s=100.0,
        monotonic_s=100.0,
        current=_R1,
        nodes=[(Seen(report, 99.0), True) for report in reports],
        windows=(),
        certificates=tuple(
            CertificateView(f"site/s{number}", (), end_s, int((end_s - 100) // 86_400), "1")
            for number, end_s in enumerate(ends_s)
        ),
        notices=notices,
        control=ControlView(1, "0", 1.0, 1, "", ""),
        config_differs=None,
        busy=busy,
        listeners=(),
    )
    return status_view(look)


@pytest.mark.parametrize("busy", ["", "ann is rolling out r2"])
def test_an_edge_without_a_live_envoy_is_down(busy: str) -> None:
    assert _word(_DEAD, busy=busy) == ("down", "No Envoy serves; r1 should.")
    assert _word(replace(_REPORT, envoy=None), busy=busy)[0] == "down"


def test_an_error_is_told_beside_the_release_that_is_on_its_way() -> None:
    assert _word(_REPORT, busy="ann is rolling out r2") == (
        "working",
        "ann is rolling out r2; r1 serves.",
    )
    assert _word(_REPORT, _ERROR, busy="ann is rolling out r2") == (
        "degraded",
        "ann is rolling out r2; r1 serves. Two machines report as node a.",
    )
    assert _word(_REPORT, _ERROR)[0] == "degraded"


def test_the_first_release_is_not_down_before_it_serves() -> None:
    starting = replace(_REPORT, release=None, digest=None, phase=Phase.FETCHING, envoy=None)
    assert _word(starting, busy="ann is rolling out r1")[0] == "working"


def test_an_edge_on_one_of_whose_nodes_no_envoy_serves_is_not_well() -> None:
    dead = replace(_DEAD, node=NodeName("edge-2"))
    told = ("degraded", "r1 serves. Node edge-2: Envoy does not serve there.")
    assert _word(_REPORT, dead) == _word(_REPORT, replace(dead, envoy=None)) == told
    assert _word(_REPORT, dead, busy="ann is rolling out r2")[0] == "degraded"
    assert _word(_DEAD, dead)[0] == "down"
    joins = replace(dead, release=None, digest=None, phase=Phase.FETCHING, envoy=None)
    assert _word(_REPORT, joins) == ("serving", "r1 serves.")


def test_an_edge_whose_certificate_has_ended_is_not_well() -> None:
    assert _word(_REPORT, ends_s=(101.0,)) == ("serving", "r1 serves.")
    assert _word(_REPORT, ends_s=(100.0, 101.0)) == (
        "degraded",
        "r1 serves. Certificate site/s0 has expired: browsers refuse sites that show it.",
    )
    assert "Certificates site/s0, site/s1 have expired" in _word(_REPORT, ends_s=(1.0, 2.0))[1]


def test_a_node_that_went_back_by_itself_is_told_with_a_way_out() -> None:
    words = "Envoy kept dying with r1; r0 serves instead."
    back = replace(_REPORT, release=ReleaseId("r0"), phase=Phase.REJECTED, message=words)
    view = _status(back)
    assert (view.state, view.summary) == ("degraded", "r1 should serve, but r0 does.")
    (told,) = view.notices
    assert (told.code, told.text) == ("release-rejected", words)
    assert "`seawall rollback r0`" in told.remedy
    (told,) = _status(back, busy="ann is rolling out r2").notices
    assert not told.remedy, "control sees to it"
