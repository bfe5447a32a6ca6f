"""Intervals for shares, pure: what a count can prove, and what it cannot."""

import math
from dataclasses import dataclass

_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A count of a total with its 95 % Wilson interval (Wilson 1927).

    A share of nothing is missing, not zero: then `value`, `low` and `high` are None.
    """

    count: int
    total: int

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.count / self.total if self.total else None

    @property
    def low(self) -> float | None:
        """Lower end of the interval."""
        return self._end(-1)

    @property
    def high(self) -> float | None:
        """Upper end of the interval."""
        return self._end(+1)

    def _end(self, sign: int) -> float | None:
        if not self.total:
            return None
        if self.count == 0 and sign < 0:
            return 0.0
        if self.count == self.total and sign > 0:
            return 1.0
        share, weight = self.count / self.total, _Z95**2 / self.total
        root = math.sqrt(share * (1 - share) * weight + weight**2 / 4)
        return (share + weight / 2 + sign * root) / (1 + weight)


def at_most(count: int, total: int) -> float | None:
    """The exact 95 % upper bound of a share (Clopper and Pearson 1934); None without a total.

    With a count of 0 it is about 3 / total: the rule of three.
    """
    if not total:
        return None
    if count >= total:
        return 1.0
    low, high = count / total, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, total, middle) > 0.05 else (low, middle)
    return high


def _at_most(count: int, total: int, share: float) -> float:
    """Chance of `count` or fewer of `total`."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return 0.0
    return sum(
        math.exp(
            math.lgamma(total + 1)
            - math.lgamma(k + 1)
            - math.lgamma(total - k + 1)
            + k * math.log(share)
            + (total - k) * math.log1p(-share)
        )
        for k in range(count + 1)
    )
