"""Makes the stable slot hold a release: commits it, undoes it when it fails, swaps when it must.

It knows how; whether a release shall be tried, and what is remembered of it, is the agent's.
"""

from typing import TYPE_CHECKING

from seawall.errors import RefusedError
from seawall.node.commit import Attempt, attempt
from seawall.node.keeper import Keeper
from seawall.node.lastgood import Loaded
from seawall.node.slots import Slots
from seawall.node.trials import Trials

if TYPE_CHECKING:
    from seawall.node.envoy import EnvoyProcess

__all__ = ["Attempt", "Serving"]


class Serving:
    """What the stable slot serves now, and how that is changed.

    Attributes:
        current: the release Envoy has, or is given again after its death; None before the first.
    """

    def __init__(self, slots: Slots, trials: Trials) -> None:
        self.slots = slots
        self.current: Loaded | None = None
        self._trials = trials
        self._found: EnvoyProcess | None = None

    def adopt(self) -> bool:
        """Take over the Envoy that runs, though nothing of what it serves can be read any more.

        It serves on as it is and is given the next release like any other. A second one beside it
        would get a share of its connections only, and leave it the others for ever.
        """
        keeper = self.slots.active
        if not keeper.adopt():
            return False
        keeper.become_stable()
        self._found = keeper.process
        return True

    async def boot(self, loaded: Loaded) -> bool:
        """Adopt the Envoy that runs, or start one, with `loaded`; False when Envoy refuses it."""
        keeper = self.slots.active
        keeper.want(loaded.snapshot)
        if not keeper.running:
            if keeper.adopt():
                keeper.become_stable()  # its agent may have ended just before it could say so
            else:
                keeper.launch()
        self.current = loaded
        outcome = await keeper.link.commit(loaded.snapshot, proven=True)
        if outcome.rejected:
            return False
        if keeper.needs_new_process(loaded.snapshot):  # adopted from before a swap
            await self.commit(loaded, tried=False)
        self._trials.explore(loaded)
        return True

    async def commit(self, loaded: Loaded, *, tried: bool) -> Attempt:
        """Make Envoy serve `loaded`; when that fails, it serves what it served before.

        Args:
            loaded: what shall serve.
            tried: the candidate runs exactly this; it takes over when a new process is needed.
        """
        keeper = self.slots.active
        try:
            # A new version of Envoy takes over with what was tried in it, and nothing else.
            updates = tried and bool(keeper.outdated)
            if keeper.running and (updates or keeper.needs_new_process(loaded.snapshot)):
                found = await self._swap(loaded, tried=tried)
            else:
                found = await self._in_place(keeper, loaded)
        except RefusedError as error:
            await self._undo(keeper)
            return Attempt(error.message)
        if not found.why:
            self.slots.active.want(loaded.snapshot)
            self.slots.active.crashes.forget()
            self.current = loaded
            self._trials.explore(loaded)
        return found

    def give(self, loaded: Loaded) -> None:
        """Let Envoy have `loaded` from its next start on: for a step back in a crash loop."""
        keeper = self.slots.active
        keeper.crashes.forget()
        keeper.want(loaded.snapshot)
        self.current = loaded
        keeper.link.aim(loaded.snapshot)

    async def _swap(self, loaded: Loaded, *, tried: bool) -> Attempt:
        if tried:
            return await self._trials.turn()
        return await self._trials.swap(loaded, self.current or loaded)

    async def _in_place(self, keeper: Keeper, loaded: Loaded) -> Attempt:
        if not keeper.running:
            keeper.want(loaded.snapshot)
            keeper.crashes.forget()
            keeper.launch()
        found = await attempt(keeper, loaded.snapshot)
        if found.why:
            await self._undo(keeper)
        return found

    async def _undo(self, keeper: Keeper) -> None:
        """Serve again what served before; without such a thing, no Envoy runs but one found."""
        if self.current is None:
            if keeper.process is None or keeper.process is not self._found:
                await keeper.stop(drain_s=0)
            return
        keeper.want(self.current.snapshot)
        keeper.link.aim(self.current.snapshot)
