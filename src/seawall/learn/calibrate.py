"""From margins to scores that mean something: score s says that about s of 100 are people.

Isotonic regression by pooling adjacent violators (Ayer et al. 1955, "An empirical distribution
function for sampling with incomplete information"): of all rising step functions the one nearest to
what was seen. Between the centres of its steps it is drawn as a line, so that scores do not come in
a few lumps. Nothing is claimed beyond what was seen: a share that no step reaches gets no score.
"""

from typing import Final

import numpy as np

from seawall import limits
from seawall.bots.model import CUTS
from seawall.learn.rows import Flags
from seawall.learn.scoring import Reals

_PERCENT: Final = 100.0


def isotonic(values: Reals, outcome: Reals, weight: Reals) -> tuple[Reals, Reals]:
    """Centres and shares of the steps; both rise strictly.

    Args:
        values: finite, in any order, equal ones allowed.
        outcome: 0 to 1, of each value.
        weight: over 0.
    """
    kinds, at = np.unique(values, return_inverse=True)
    blocks: list[tuple[float, float, float]] = []  # weight, sum of outcomes, sum of values
    sums = (
        np.bincount(at, weights=weight),
        np.bincount(at, weights=weight * outcome),
        np.bincount(at, weights=weight) * kinds,
    )
    for block in zip(*(part.tolist() for part in sums), strict=True):
        own = block
        while blocks and blocks[-1][1] * own[0] >= own[1] * blocks[-1][0]:
            last = blocks.pop()
            own = (last[0] + own[0], last[1] + own[1], last[2] + own[2])
        blocks.append(own)
    centres = np.array([values_sum / total for total, _, values_sum in blocks])
    shares = np.array([outcomes / total for total, outcomes, _ in blocks])
    return centres, shares


def cuts(margins: Reals, human: Flags, weight: Reals) -> tuple[float, ...]:
    """The 98 margins of a model's scores, not falling.

    Score s begins where the share of people is s - 0.5 of 100. A score that no share reaches gets
    a cut out of reach.
    """
    centres, shares = isotonic(margins, human.astype(np.float64), weight)
    wanted = (np.arange(CUTS) + 1.5) / _PERCENT
    found = np.interp(wanted, shares, centres)
    found[wanted <= shares[0]] = -limits.BOT_MARGIN_MAX
    found[wanted > shares[-1]] = limits.BOT_MARGIN_MAX
    return tuple(float(cut) for cut in np.maximum.accumulate(found))
