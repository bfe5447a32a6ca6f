"""The rates of `status`: requests by the time that was measured, errors by the answers."""

from collections.abc import Mapping

from seawall.api.traffic import edge_traffic
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.telemetry.window import Window

ANSWERED = {f"responses_{number}xx": 0.0 for number in range(1, 6)}


def window(start_s: float, edge: Mapping[str, float]) -> Window:
    return Window(
        NodeName("local"), "stable", ReleaseId("r1"), Generation(1), start_s, 10.0, edge=edge
    )


def test_answers_to_requests_of_an_earlier_minute_make_no_share_above_one() -> None:
    """An origin that hangs: 100 requests came, and are answered with 504 a minute later."""
    late = ANSWERED | {"requests": 10.0, "responses_2xx": 10.0, "responses_5xx": 100.0}
    view = edge_traffic([window(0.0, late)])
    assert (view.requests, view.requests_per_s) == (10, 1.0)
    assert view.error_share == 100 / 110
    none_came = edge_traffic([window(0.0, ANSWERED | {"requests": 0.0, "responses_5xx": 3.0})])
    assert (none_came.requests_per_s, none_came.error_share) == (0.0, 1.0)


def test_requests_that_nobody_has_answered_yet_are_no_good_ones() -> None:
    view = edge_traffic([window(0.0, ANSWERED | {"requests": 10.0})])
    assert (view.requests, view.error_share, view.client_error_share) == (10, None, None)


def test_a_window_that_lacks_a_class_of_answers_tells_no_share() -> None:
    lacking = {"requests": 5.0, "responses_2xx": 1.0, "responses_5xx": 4.0}
    whole = ANSWERED | {"requests": 4.0, "responses_2xx": 3.0, "responses_5xx": 1.0}
    view = edge_traffic([window(0.0, lacking), window(10.0, whole)])
    assert (view.requests, view.error_share) == (9, 0.25)
