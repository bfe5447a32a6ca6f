"""Rollouts for people and programs: start, pause, resume, abort, freeze, and what goes on.

Every operation is one transaction of the store that the planner sees next; none of them talks to a
node or decides an advance. Who may call what is decided by the app.
"""

from seawall.api.rollout_views import RolloutHistoryView, RolloutsView, RolloutView
from seawall.ids import ReleaseId
from seawall.model.rollout import RolloutPolicy
from seawall.release.release import ReleaseRecord
from seawall.rollout.state import Rollout, Speed


class Rollouts:
    """The operations."""

    async def start(
        self,
        record: ReleaseRecord,
        policy: RolloutPolicy,
        speed: Speed = Speed.CONFIG,
        *,
        actor: str,
        reason: str = "",
        feed: str = "",
        period_s: float | None = None,
        break_glass: bool = False,
        forced: bool = False,
    ) -> Rollout:
        """Put a stored release on its way; returns at once, `changed` tells of what follows.

        A retained release that was baked before is committed at once (rollback); so is the first
        release of an empty edge.

        Args:
            record: the release.
            policy: of the site file; a feed or a switch takes what it needs of it.
            speed: which of the three.
            actor: who asked.
            reason: why, for the history.
            feed: of a feed, its name: only the newest waiting release of one feed is kept.
            period_s: of a feed, how often it comes: it must finish within that.
            break_glass: commit everywhere at once, also while frozen; recorded.
            forced: the digest is quarantined, and was named.

        Raises:
            ConflictError: another release is on its way, or its parent is no longer the target.
            RefusedError: quarantined and not forced; or frozen, and it is not a way back.
            UsageError: the policy cannot finish in time.
        """
        raise NotImplementedError

    async def pause(self, actor: str) -> RolloutView:
        """Stop the running rollout where it stands; bad news still withdraws it.

        Raises:
            NotFoundError: no release is on its way.
        """
        raise NotImplementedError

    async def resume(self, actor: str) -> RolloutView:
        """Lift a pause; of a rollout that is held, go on without the evidence, in `actor`'s name.

        Raises:
            NotFoundError: no release is on its way.
            ConflictError: it is neither paused nor held.
        """
        raise NotImplementedError

    async def abort(self, actor: str, reason: str = "") -> RolloutView:
        """Withdraw the running rollout from every node, those that committed included.

        Raises:
            NotFoundError: no release is on its way.
        """
        raise NotImplementedError

    async def freeze(self, actor: str, reason: str) -> RolloutsView:
        """Stop every start and advance; frozen already, only the reason is replaced."""
        raise NotImplementedError

    async def unfreeze(self, actor: str) -> RolloutsView:
        """Lift the freeze.

        Raises:
            ConflictError: nothing is frozen.
        """
        raise NotImplementedError

    async def status(self) -> RolloutsView:
        """What goes on now."""
        raise NotImplementedError

    async def history(self, release: ReleaseId) -> RolloutHistoryView:
        """The rollouts of one release, and what happened in them."""
        raise NotImplementedError

    async def changed(self, wait_s: float) -> bool:
        """Wait for the next change of any rollout; False when none came in time."""
        raise NotImplementedError
