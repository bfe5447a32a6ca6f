"""Whether several machines say that they are one node: one was cloned, or its directory copied.

Each process of an agent has a random name, its life. A node whose agent was started again has a new
one, and the old one is never heard again. Of several machines each is heard again and again.
"""

from dataclasses import dataclass

from seawall.limits import TWIN_LIVES_MAX, TWIN_REMEMBERED_S, TWIN_RETURNS_MIN


@dataclass(frozen=True, slots=True)
class Lives:
    """Whose reports came last.

    Attributes:
        now: life of the newest report; empty before the first, or from an agent that does not say.
        before: the other lives that were heard, newest first.
        returns: how often a life came back after another one had been heard.
        at_s: when one last did (monotonic seconds).
    """

    now: str = ""
    before: tuple[str, ...] = ()
    returns: int = 0
    at_s: float = 0.0

    def heard(self, life: str, at_s: float) -> "Lives":
        """A report came."""
        if life in {"", self.now}:
            return self
        others = tuple(one for one in (self.now, *self.before) if one not in {"", life})
        returns = self.returns if at_s - self.at_s <= TWIN_REMEMBERED_S else 0
        kept = others[:TWIN_LIVES_MAX]
        if life in self.before:
            return Lives(life, kept, returns + 1, at_s)
        return Lives(life, kept, returns, self.at_s)

    def twins(self, now_s: float) -> bool:
        """Whether machines took turns lately."""
        return self.returns >= TWIN_RETURNS_MIN and now_s - self.at_s <= TWIN_REMEMBERED_S
