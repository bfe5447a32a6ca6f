"""The line about bots in `seawall status`."""

from cli.test_console import drawn, status_view
from seawall.api.status_views import BotsView
from seawall.console import status

BOTS = BotsView(1000, 0.75, 0.02, 0.001, 0, 0, 400, 0.25, 0.03)


def line(**changed: object) -> str:
    bots = BotsView(**{f: changed.get(f, getattr(BOTS, f)) for f in BotsView.__slots__})
    text = drawn(status.status(status_view(bots=bots)))
    return next((one for one in text.splitlines() if one.startswith("bots")), "")


def test_shares_and_faults_are_one_line() -> None:
    assert line().split("bots")[1].strip() == (
        "75 % scored, 2 % challenged, 0.10 % refused, 0 faults  3 % of handshakes unknown"
    )
    assert "1 fault " in line(errors=1)


def test_too_few_records_are_said_to_be_so() -> None:
    assert "too few records to say" in line(sampled_unknown_tls_share=None)
    assert "- scored" in line(scored_share=None, requests=0, errors=1)


def test_an_edge_that_looks_at_no_bots_has_no_line() -> None:
    assert line(requests=0) == ""
    assert "bots" not in drawn(status.status(status_view()))
