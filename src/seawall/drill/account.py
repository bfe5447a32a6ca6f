"""What one arm of a drill cost its clients: pure arithmetic over the requests that were made."""

from collections.abc import Iterable
from dataclasses import dataclass

_SERVER_ERROR_MIN = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """One request of the crowd.

    Attributes:
        at_s: monotonic seconds when it ended.
        node: index of the node that was asked.
        status: 0 when there was no answer: refused, reset, or too slow.
        release: that answered, as the answer says; empty when it does not say.
        expected: whether the answer was a right one; an edge that answers nonsense fails too.
        score: of the client, `-` for an absent one; empty when nobody looked.
    """

    at_s: float
    node: int
    status: int
    release: str
    expected: bool = True
    score: str = ""

    @property
    def failed(self) -> bool:
        """No answer, a server error, or a wrong answer."""
        return self.status == 0 or self.status >= _SERVER_ERROR_MIN or not self.expected


@dataclass(frozen=True, slots=True)
class Account:
    """The cost of a fault in one arm; times in seconds from the injection, None for never.

    Attributes:
        requests: made after the injection.
        failed: of those.
        unanswered: of the failed, those that got no answer in time; also a machine that is too
            busy for its clients makes some.
        exposed_nodes: nodes on which at least one client met the bad release, or failed.
        exposed_requests: requests the bad release answered, and those that failed.
        detect_s: until the arm itself (or its operator) knew.
        revert_s: until the last client failed or met the bad release.
        human_actions: how often a person had to do something.
    """

    nodes: int
    requests: int
    failed: int
    unanswered: int
    exposed_nodes: int
    exposed_requests: int
    detect_s: float | None
    revert_s: float | None
    human_actions: int

    @property
    def failed_share(self) -> float:
        """0 to 1; 0 when there was no request."""
        return self.failed / self.requests if self.requests else 0.0


def account(
    samples: Iterable[Sample],
    *,
    nodes: int,
    injected_s: float,
    bad: frozenset[str],
    detected_s: float | None,
    human_actions: int,
    forgiven: Iterable[tuple[float, float]] = (),
) -> Account:
    """Count what happened from `injected_s` on.

    Args:
        samples: every request of the crowd.
        nodes: of the fleet.
        injected_s: when the fault came, monotonic seconds, like all times here.
        bad: releases that carry the fault.
        detected_s: when the fleet, or its operator, knew; None for never.
        human_actions: how often a person had to act.
        forgiven: spans that count in no arm: processes killed on purpose.
    """
    spans = tuple(forgiven)
    after = [
        sample
        for sample in samples
        if sample.at_s >= injected_s and not any(a <= sample.at_s <= b for a, b in spans)
    ]
    exposed = [s for s in after if s.failed or s.release in bad]
    return Account(
        nodes=nodes,
        requests=len(after),
        failed=sum(sample.failed for sample in after),
        unanswered=sum(sample.status == 0 for sample in after),
        exposed_nodes=len({sample.node for sample in exposed}),
        exposed_requests=len(exposed),
        detect_s=None if detected_s is None else max(0.0, detected_s - injected_s),
        revert_s=max(s.at_s for s in exposed) - injected_s if exposed else 0.0,
        human_actions=human_actions,
    )
