"""From what DNS said now and what was known before to the verdict that stands.

Pure. A verdict that ended stays until an answer is definite, and at most as long as its kind
allows: so a verified bot is never an impostor because DNS is down.
"""

from collections import OrderedDict

from seawall import limits
from seawall.verify.dns import Confirmation
from seawall.verify.outcome import Outcome
from seawall.verify.verdicts import Verdict


def settle(old: Verdict | None, found: Confirmation, *, now_s: float) -> Verdict:
    """The verdict to write; `old` is the one before, unless it is no answer any more."""
    now = int(now_s)
    if found.outcome is Outcome.UNKNOWN:
        again = now + limits.VERIFY_UNKNOWN_TTL_S
        if old is None or old.outcome is Outcome.UNKNOWN or now_s >= old.stale_s:
            return Verdict(Outcome.UNKNOWN, again, again)
        return Verdict(old.outcome, min(again, old.stale_s), old.stale_s)
    low, high = limits.VERIFY_VERDICT_TTL_S_MIN, limits.VERIFY_VERDICT_TTL_S_MAX
    expires = now + int(min(max(found.ttl_s, low), high))
    if found.outcome is Outcome.VERIFIED:
        return Verdict(Outcome.VERIFIED, expires, expires + limits.VERIFY_VERIFIED_STALE_S)
    return Verdict(Outcome.IMPOSTOR, expires, expires + limits.VERIFY_IMPOSTOR_STALE_S)


class PrefixBudget:
    """How many questions one network prefix may cause: a flood costs no more than a crawl."""

    def __init__(self) -> None:
        self._spent: OrderedDict[bytes, tuple[float, int]] = OrderedDict()

    def allows(self, network: bytes, *, now_s: float) -> bool:
        """Whether the prefix may ask once more; counts it if so. `now_s` is monotonic."""
        began_s, count = self._spent.get(network, (now_s, 0))
        if now_s - began_s >= limits.VERIFY_DNS_PREFIX_WINDOW_S:
            began_s, count = now_s, 0
        if count >= limits.VERIFY_DNS_PREFIX_QUESTIONS_MAX:
            return False
        self._spent[network] = (began_s, count + 1)
        self._spent.move_to_end(network)
        while len(self._spent) > limits.VERIFY_DNS_PREFIXES_MAX:
            self._spent.popitem(last=False)
        return True
