"""How many requests there are to judge a release by, and what they could show. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from seawall import limits
from seawall.ids import NodeName
from seawall.judge.gates import GATES_BY_NAME
from seawall.judge.judge import can_decide
from seawall.judge.pooling import STABLE
from seawall.model.rollout import RolloutPolicy, Step
from seawall.telemetry.window import Window

_PERMILLE: Final = 1_000


def rates_per_s(windows: Iterable[Window], now_s: float) -> Mapping[NodeName, float]:
    """Requests a second that met each node lately, all slots together.

    A node that was measured for less than one usual window is missing: its traffic is not known.
    """
    requests, span_s = _counted(windows, now_s - limits.ROLLOUT_RATE_SPAN_S)
    measured = (node for node in requests if span_s[node] >= limits.WINDOW_DURATION_S)
    return MappingProxyType({node: requests[node] / span_s[node] for node in measured})


def rate_per_s(members: Iterable[NodeName], windows: Sequence[Window]) -> float | None:
    """Requests a second that meet the nodes on trial, all slots together; None when unknown.

    By the newest windows only: traffic that has ended is not waited for.
    """
    names = frozenset(members)
    theirs = [window for window in windows if window.node in names]
    newest_s = max(map(end_s, theirs), default=0.0)
    requests, span_s = _counted(theirs, newest_s - limits.ROLLOUT_RATE_SPAN_S)
    measured = [node for node in requests if span_s[node] > 0]
    if not measured:
        return None
    return sum(requests[node] / span_s[node] for node in measured)


def end_s(window: Window) -> float:
    """When it was closed, in Unix seconds."""
    return window.start_s + window.duration_s


def may_show_something(
    policy: RolloutPolicy, members: Sequence[NodeName], rates: Mapping[NodeName, float]
) -> bool:
    """Whether at some step the requests of these nodes could bring a verdict, or show harm.

    Also when nobody knows: a node that is not among `rates` may have any traffic.
    """
    known = [rates[name] for name in members if name in rates]
    if len(known) < len(members):
        return True
    return any(is_worth_waiting(step, sum(known)) for step in policy.steps)


def is_worth_waiting(step: Step, rate_per_s: float) -> bool:
    """Whether the requests of this step could bring a verdict in time, or show gross harm."""
    return _is_enough(step, rate_per_s) or shows_harm(step, rate_per_s)


def shows_harm(step: Step, rate_per_s: float) -> bool:
    """Whether so many requests come in the step's soak that gross harm would show."""
    share = step.share_permille / _PERMILLE
    return rate_per_s * share * step.soak_s >= limits.ROLLOUT_HARM_REQUESTS_MIN


def _is_enough(step: Step, rate_per_s: float) -> bool:
    share = step.share_permille / _PERMILLE
    return can_decide(rate_per_s, share, step.deadline_s, GATES_BY_NAME["errors"])


def _counted(
    windows: Iterable[Window], since_s: float
) -> tuple[dict[NodeName, float], dict[NodeName, float]]:
    """Requests of each node in windows closed since then, and how long its stable slot's took."""
    requests: dict[NodeName, float] = {}
    span_s: dict[NodeName, float] = {}
    for window in windows:
        if end_s(window) >= since_s and "requests" in window.edge:
            more_s = window.duration_s if window.slot == STABLE else 0.0
            requests[window.node] = requests.get(window.node, 0.0) + window.edge["requests"]
            span_s[window.node] = span_s.get(window.node, 0.0) + more_s
    return requests, span_s
