"""Makes Envoy hold a release: commits it, undoes it when it fails, swaps processes when it must.

It knows how; whether a release shall be tried, and what is remembered of it, is the agent's.
"""

import asyncio
from dataclasses import dataclass

from seawall.compiler.snapshot import Snapshot
from seawall.errors import UnreachableError
from seawall.limits import COMMIT_TIMEOUT_S, ENVOY_READY_TIMEOUT_S
from seawall.node.ads import Outcome
from seawall.node.keeper import Keeper
from seawall.node.lastgood import Loaded
from seawall.node.report import nacks
from seawall.node.slots import Slots
from seawall.rollout.ports import Nack


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a commit ended; `why` is empty when it ended well."""

    why: str = ""
    nacks: tuple[Nack, ...] = ()


class Serving:
    """What Envoy serves now, and how that is changed.

    Attributes:
        current: the release Envoy has, or is given again after its death; None before the first.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.current: Loaded | None = None

    async def boot(self, loaded: Loaded) -> bool:
        """Adopt the Envoy that runs, or start one, with `loaded`; False when Envoy refuses it."""
        keeper = self.slots.active
        keeper.want(loaded.snapshot)
        if not keeper.running and not keeper.adopt():
            keeper.launch()
        self.current = loaded
        outcome = await keeper.link.commit(loaded.snapshot, proven=True)
        if outcome.rejected:
            return False
        if keeper.needs_new_process(loaded.snapshot):  # adopted from before a swap
            await self.commit(loaded)
        return True

    async def commit(self, loaded: Loaded) -> Attempt:
        """Make Envoy serve `loaded`; when that fails, it serves what it served before."""
        keeper = self.slots.active
        swap = keeper.needs_new_process(loaded.snapshot)
        if swap:
            keeper = await self.slots.standby()
        if not keeper.running:
            keeper.want(loaded.snapshot)
            keeper.crashes.forget()
            keeper.launch()
        outcome, died = await _commit_or_death(keeper, loaded.snapshot)
        settled = outcome.settled and await _ready(keeper)
        if not settled:
            await self._undo(keeper, swap=swap)
            why = _why(outcome, died=died, log=keeper.slot.log_tail() if died else "")
            return Attempt(why, nacks(loaded.snapshot, outcome.rejected))
        if swap:
            self.slots.turn()
        keeper.want(loaded.snapshot)
        keeper.crashes.forget()
        self.current = loaded
        return Attempt()

    def give(self, loaded: Loaded) -> None:
        """Let Envoy have `loaded` from its next start on: for a step back in a crash loop."""
        keeper = self.slots.active
        keeper.crashes.forget()
        keeper.want(loaded.snapshot)
        self.current = loaded
        keeper.link.aim(loaded.snapshot)

    async def _undo(self, keeper: Keeper, *, swap: bool) -> None:
        """Serve again what served before; without such a thing, no Envoy runs."""
        if swap or self.current is None:
            await keeper.stop(drain_s=0)
            return
        keeper.want(self.current.snapshot)
        keeper.link.aim(self.current.snapshot)


async def _commit_or_death(keeper: Keeper, snapshot: Snapshot) -> tuple[Outcome, bool]:
    """Commit, unless Envoy dies of it first."""
    process = keeper.process
    if process is None:
        return Outcome(settled=False), True
    async with asyncio.TaskGroup() as tasks:
        commit = tasks.create_task(keeper.link.commit(snapshot))
        death = tasks.create_task(process.exited())
        await asyncio.wait((commit, death), return_when=asyncio.FIRST_COMPLETED)
        died = not commit.done()
        commit.cancel()
        death.cancel()
    return (Outcome(settled=False) if died else commit.result()), died


async def _ready(keeper: Keeper) -> bool:
    """Whether Envoy has started its workers: only then does it accept connections."""
    if keeper.process is None:
        return False
    try:
        await keeper.process.wait_ready(ENVOY_READY_TIMEOUT_S)
    except UnreachableError:
        return False
    return True


def _why(outcome: Outcome, *, died: bool, log: str) -> str:
    if died:
        last = log.strip().rpartition("\n")[2]
        return f"Envoy died while it took it. Its last words: {last}" if last else "Envoy died"
    if outcome.rejected:
        return f"Envoy refused it: {outcome.rejected[0].words}"
    if outcome.settled:
        return f"Envoy did not become ready within {ENVOY_READY_TIMEOUT_S:g} s"
    names = ", ".join(f"{type_url.short} {name}" for type_url, name in outcome.waiting[:3])
    return f"Envoy did not acknowledge it within {COMMIT_TIMEOUT_S} s ({names or 'not connected'})"
