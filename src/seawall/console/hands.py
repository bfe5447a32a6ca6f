"""Kill switches, feeds, quarantine and rollouts, as people read them."""

from rich.console import Group, RenderableType
from rich.text import Text

from seawall.api.hand_views import BotModelView, FeedsView, QuarantineView, SwitchesView
from seawall.api.rollout_views import RolloutHistoryView, RolloutsView, RolloutView
from seawall.console.output import joined, styled
from seawall.console.releases import pairs, plain_table
from seawall.console.words import age, duration, moment, place, share

_METRICS_SHOWN = 6
_STAGES = {
    "done": "bold green",
    "rolled-back": "bold red",
    "aborted": "bold red",
    "superseded": "dim",
}


def switches(view: SwitchesView) -> RenderableType:
    """What is killed, and what can be."""
    parts: list[RenderableType] = []
    if view.switches:
        table = plain_table("killed", "where", "ends in", "by", "why")
        for one in view.switches:
            table.add_row(
                styled(one.feature, "bold yellow"),
                styled(one.site or "everywhere"),
                styled(duration(one.left_s)),
                styled(one.actor),
                styled(one.reason or "-"),
            )
        parts += [table, styled("")]
    else:
        parts += [styled("No kill switch is on."), styled("")]
    if view.coming:
        parts += [
            styled(f"What it changes is not here yet: {view.coming}.", "bold cyan"),
            styled(""),
        ]
    known = plain_table("feature", "without it")
    for feature in view.features:
        words = feature.without + (f" Lowers protection: {feature.opens}" if feature.opens else "")
        known.add_row(styled(feature.feature), styled(words))
    return Group(*parts, known)


def feeds(view: FeedsView, now_s: float) -> RenderableType:
    """One line a list, the bot model, and its shadow."""
    model = _model_lines(view.model)
    if view.shadow is not None:
        model += _described("Shadow, which decides nothing", view.shadow)
    model += [
        styled(
            f"{one.name}: {one.size_bytes:,} bytes pushed by {one.author} {age(one.at_s, now_s)} "
            f"are waiting: {one.why}",
            "yellow",
        )
        for one in view.waiting
    ]
    if not view.feeds:
        none = "The current release has no lists. Add one under `lists` in the site file."
        return Group(styled(none), *model)
    table = plain_table("list", "networks", "from", "confirmed")
    for one in view.feeds:
        pushed = "pushed" if one.pushed_bytes is not None else "nothing has been pushed yet"
        entries = "not used" if one.entries is None else f"{one.entries:,}"
        table.add_row(
            styled(one.name, "bold"),
            styled(entries),
            styled(place(one.path) if one.path else pushed),
            styled("-" if one.fetched_s is None else age(one.fetched_s, now_s)),
        )
    return Group(table, *model)


def _model_lines(model: BotModelView | None) -> list[Text]:
    """What scores requests, and what it was accepted with."""
    if model is None:
        return [styled("Bot model: none, so scores are absent.")]
    return _described("Bot model", model)


def _described(what: str, model: BotModelView) -> list[Text]:
    origin = {"file": place(model.path), "pushed": "pushed", "starter": "shipped with Seawall"}
    named = f"{model.name} ({model.id})" if model.name else model.id
    size = f", {model.features} features, {model.trees} trees" if model.trees else ""
    made = f", made {model.created}" if model.created else ""
    lines = [styled(f"{what}: {named}, {origin.get(model.source, model.source)}{size}{made}")]
    shown = list(model.metrics.items())[:_METRICS_SHOWN]
    if shown:
        lines.append(styled("  " + ", ".join(f"{name} {value:.4g}" for name, value in shown)))
    return lines


def quarantine(view: QuarantineView, now_s: float) -> RenderableType:
    """One line a digest."""
    if not view.quarantined:
        return styled("Nothing is quarantined.")
    table = plain_table("digest", "releases", "when", "by", "why")
    for one in view.quarantined:
        table.add_row(
            styled(one.digest[:12], "bold"),
            styled(", ".join(one.releases) or "-"),
            styled(age(one.at_s, now_s)),
            styled(one.actor),
            styled(one.reason),
        )
    return table


def rollouts(view: RolloutsView, now_s: float) -> RenderableType:
    """What goes on now."""
    parts: list[RenderableType] = []
    if view.frozen is not None:
        parts.append(frozen_line(view.frozen.actor, view.frozen.reason, view.frozen.since_s, now_s))
    if view.running is not None:
        parts.append(rollout(view.running, now_s))
    parts += [
        styled(f"{one.release} is waiting, started by {one.actor} ({one.speed})")
        for one in view.waiting
    ]
    if view.gate:
        parts.append(styled(f"{view.gate}; that is still in the gate.", "bold cyan"))
    elif view.running is None and not view.waiting:
        parts.append(styled(f"No release is on its way; {view.target or 'nothing'} is the target."))
    return Group(*parts)


def frozen_line(actor: str, reason: str, since_s: float, now_s: float) -> Text:
    """That nothing advances."""
    why = f": {reason}" if reason else ""
    return joined(
        styled("frozen", "bold red"),
        styled(f"  by {actor}, {age(since_s, now_s)}{why}"),
    )


def rollout(view: RolloutView, now_s: float) -> RenderableType:
    """One rollout with its evidence and its nodes."""
    rows = [("rollout", rollout_line(view, now_s))]
    if view.reason:
        rows.append(("why", styled(view.reason)))
    if view.straight:
        rows.append(("steps", styled(f"skipped: {view.straight}", "bold yellow")))
    if view.verdict:
        rows.append(("judge", styled(view.verdict)))
    if view.held:
        rows.append(("held", styled(f"{view.held}; `seawall resume` continues it", "yellow")))
    if view.paused_by:
        rows.append(("paused", styled(f"by {view.paused_by}", "yellow")))
    rows += [
        (
            "passed",
            styled(
                f"wave {one.wave}, {_step(one.step)}: {one.basis}, {one.text}"
                f"  {age(one.at_s, now_s)}"
            ),
        )
        for one in view.passed
    ]
    if view.ended_s is None:
        rows += [
            (
                "node",
                styled(
                    f"{node.name}  {node.part}, serves {node.release or 'nothing'}"
                    f", {node.phase or 'not heard'}"
                    + (f", {share(node.share_permille / 1000)}" if node.share_permille else "")
                    + (f"  {node.message}" if node.message else "")
                ),
            )
            for node in view.nodes
        ]
    else:
        took = duration(view.ended_s - view.started_s)
        rows.append(("ended", styled(f"{view.outcome} after {took}")))
    return pairs(rows)


def rollout_line(view: RolloutView, now_s: float) -> Text:
    """Release, stage, step and share, and whose it is."""
    return joined(
        styled(f"{view.release} ", "bold"),
        styled(view.stage, _STAGES.get(view.stage, "bold cyan")),
        styled(f"  {step_words(view)}  by {view.actor}, {age(view.started_s, now_s)}"),
    )


def story(view: RolloutHistoryView, now_s: float) -> RenderableType:
    """All rollouts of a release and every sentence of their history."""
    if not view.rollouts:
        return styled("This release was never rolled out in steps.")
    parts: list[RenderableType] = [rollout(one, now_s) for one in view.rollouts]
    table = plain_table("when", "what")
    for event in view.events:
        table.add_row(styled(moment(event.at_s), "dim"), styled(event.text))
    return Group(*parts, styled(""), table)


def step_words(view: RolloutView) -> str:
    """Where a rollout stands: `wave 1 of 2, step 2 of 4, 5 % of connections`."""
    words = f"wave {view.wave} of {view.waves}, {_step(view.step)} of {view.steps}"
    if view.step == 0:
        words = f"wave {view.wave} of {view.waves}"
        words += f", {_step(0)}" if view.stage == "tasting" else ""
    if view.share_permille:
        words += f", {share(view.share_permille / 1000)} of new connections"
    return words


def _step(step: int) -> str:
    return "taste" if step == 0 else f"step {step}"
