"""What status says of bots, from windows and a sample of records."""

import pytest

from seawall.api.bot_status import bot_notices, bots_view
from seawall.api.status_views import BotsView, ShadowView
from seawall.api.work import ModelFacts
from seawall.ids import Generation, NodeName, ReleaseId
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.window import Window

NOTHING = BotSample()


def window(**edge: float) -> Window:
    counts = {f"bots_{name}": value for name, value in edge.items()}
    return Window(NodeName("n"), "stable", ReleaseId("r1"), Generation(1), 0.0, 10.0, edge=counts)


def view(*windows: Window, sample: BotSample = NOTHING) -> BotsView:
    found = bots_view(windows, sample)
    assert found is not None
    return found


def test_shares_are_of_the_requests_that_were_looked_at() -> None:
    found = view(
        window(scored=60, unscored=20, challenged=8, blocked=2, limited=1, payment=1, errors=0),
        window(scored=20, unscored=0, challenged=0, blocked=0, limited=0, payment=0, errors=3),
    )
    assert (found.requests, found.scored_share) == (100, 0.8)
    assert (found.challenged_share, found.refused_share) == (0.08, 0.04)
    assert found.errors == 3


def test_without_requests_there_is_no_share() -> None:
    found = view(window(scored=0, unscored=0))
    assert (found.requests, found.scored_share, found.challenged_share) == (0, None, None)


def test_windows_that_say_nothing_of_bots_are_no_zero() -> None:
    assert bots_view([], NOTHING) is None
    assert bots_view([window(scored=5), window()], NOTHING) is None


def test_a_late_count_is_no_share_over_one() -> None:
    assert view(window(scored=1, unscored=0, challenged=3)).challenged_share == 1.0


def test_the_sample_is_told_and_too_few_is_null() -> None:
    found = view(window(scored=1, unscored=0), sample=BotSample(100, 0, 25, 80, 20))
    assert (found.sampled, found.sampled_unscored_share) == (100, 0.25)
    assert found.sampled_unknown_tls_share == 0.25
    assert view(window(scored=1, unscored=0)).sampled_unknown_tls_share is None


@pytest.mark.parametrize(
    ("counts", "sample", "codes"),
    [
        ({}, NOTHING, []),
        ({"errors": 2}, NOTHING, ["bot-filter-faults"]),
        ({"challenge_unavailable": 2}, NOTHING, ["bot-challenge-unavailable"]),
        ({}, BotSample(90, 0, 90, 0, 0, 90, 90), ["bot-model-idle"]),
        ({}, BotSample(90, 0, 90, 0, 0, 90, 89), []),
        ({}, BotSample(3, 0, 3, 0, 0, 3, 3), []),
    ],
)
def test_what_is_wrong_is_a_notice_with_a_remedy(
    counts: dict[str, float], sample: BotSample, codes: list[str]
) -> None:
    found = list(bot_notices(view(window(scored=1, unscored=1, **counts)), sample))
    assert [notice.code for notice in found] == codes
    assert all(notice.remedy and notice.severity == "warning" for notice in found)
    assert list(bot_notices(None, NOTHING)) == []


SHADOW = ModelFacts(id="0123abcd", name="next")


def shadow_of(*windows: Window) -> ShadowView:
    found = bots_view(windows, NOTHING, SHADOW)
    assert found is not None
    assert found.shadow is not None
    return found.shadow


def test_a_shadow_is_told_with_how_far_it_agrees() -> None:
    counts = {"scored": 100, "unscored": 0}
    both = shadow_of(
        window(**counts, shadow_agreed=60, shadow_disagreed=15, shadow_errors=0),
        window(**counts, shadow_agreed=20, shadow_disagreed=5, shadow_errors=2),
    )
    assert (both.id, both.name) == ("0123abcd", "next")
    assert (both.compared, both.agreed_share, both.errors) == (100, 0.8, 2)
    none = shadow_of(window(**counts, shadow_agreed=0, shadow_disagreed=0, shadow_errors=0))
    assert (none.compared, none.agreed_share) == (0, None)


def test_a_node_that_counts_no_shadows_is_no_agreement() -> None:
    found = shadow_of(window(scored=5, unscored=0))
    assert (found.compared, found.agreed_share, found.errors) == (None, None, 0)


def test_without_a_shadow_its_counts_say_nothing() -> None:
    counts = window(scored=1, unscored=0, shadow_agreed=1, shadow_disagreed=0, shadow_errors=0)
    assert view(counts).shadow is None


def test_the_faults_of_a_shadow_are_a_notice() -> None:
    counts = {"scored": 1, "unscored": 0, "shadow_agreed": 0, "shadow_disagreed": 0}
    for errors, codes in ((0, []), (3, ["bot-shadow-faults"])):
        found = bots_view([window(**counts, shadow_errors=errors)], NOTHING, SHADOW)
        assert [notice.code for notice in bot_notices(found, NOTHING)] == codes
