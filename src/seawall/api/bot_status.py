"""What `status` says of bots: shares of the last minute, a sample of records, and what is wrong."""

from collections.abc import Iterator, Sequence
from typing import Final

from seawall.api.status_views import BotsView, NoticeView, ShadowView
from seawall.api.work import ModelFacts
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.window import Window

_LOOKED_AT: Final = ("bots_scored", "bots_unscored")
_COMPARED: Final = ("bots_shadow_agreed", "bots_shadow_disagreed")
NO_MODEL: Final = ModelFacts()
_REFUSED: Final = ("bots_blocked", "bots_limited", "bots_payment")


def bots_view(
    windows: Sequence[Window], sample: BotSample, shadow: ModelFacts = NO_MODEL
) -> BotsView | None:
    """Bots as the windows counted them; None when no window says anything of bots."""
    counted = [window for window in windows if all(name in window.edge for name in _LOOKED_AT)]
    if not counted:
        return None
    scored, looked_at = _sum(counted, "bots_scored"), _sum(counted, *_LOOKED_AT)

    def share(count: float) -> float | None:
        # A count may be handed on a second later than that of its request.
        return min(count / looked_at, 1.0) if looked_at else None

    return BotsView(
        requests=round(looked_at),
        scored_share=share(scored),
        challenged_share=share(_sum(counted, "bots_challenged")),
        refused_share=share(_sum(counted, *_REFUSED)),
        unavailable=round(_sum(counted, "bots_challenge_unavailable")),
        errors=round(_sum(counted, "bots_errors")),
        sampled=sample.records,
        sampled_unscored_share=sample.unscored_share,
        sampled_unknown_tls_share=sample.unknown_share,
        shadow=_shadow_view(windows, shadow) if shadow.id else None,
    )


def _shadow_view(windows: Sequence[Window], shadow: ModelFacts) -> ShadowView:
    counted = [window for window in windows if all(name in window.edge for name in _COMPARED)]
    agreed, compared = _sum(counted, _COMPARED[0]), _sum(counted, *_COMPARED)
    return ShadowView(
        id=shadow.id,
        name=shadow.name,
        compared=round(compared) if counted else None,
        agreed_share=agreed / compared if compared else None,
        errors=round(_sum(counted, "bots_shadow_errors")),
    )


def bot_notices(view: BotsView | None, sample: BotSample) -> Iterator[NoticeView]:
    """What a person should know of bots now."""
    if view is not None and view.errors:
        yield NoticeView(
            "warning",
            "bot-filter-faults",
            f"The bot filter failed {view.errors} times recently. Such requests pass without a "
            "score.",
            "See node/stable/envoy.log in the data directory. A rollback undoes a bad model or "
            "policy. `seawall kill bots --reason WHY` switches the filter off for a while.",
        )
    if sample.idle:
        yield NoticeView(
            "warning",
            "bot-model-idle",
            f"There is a bot model, but none of the last {sample.due} page requests to observing "
            "sites got a score.",
            "Run `seawall why` on one of them for the reason.",
        )
    shadow = view.shadow if view is not None else None
    if shadow is not None and shadow.errors:
        yield NoticeView(
            "warning",
            "bot-shadow-faults",
            f"The shadow model {shadow.name or shadow.id} could not score {shadow.errors} "
            "requests recently. The current model scored them, so this had no effect.",
            "`seawall bots unshadow` removes it. Report this, with the model.",
        )
    if view is not None and view.unavailable:
        yield NoticeView(
            "warning",
            "bot-challenge-unavailable",
            f"{view.unavailable} challenges could not be shown recently.",
            "The bot service of the node does not answer; see logs/node.log in the data "
            "directory. Until it answers, each site does what its `challenge: unavailable` says.",
        )


def _sum(windows: Sequence[Window], *names: str) -> float:
    return sum(window.edge.get(name, 0.0) for window in windows for name in names)
