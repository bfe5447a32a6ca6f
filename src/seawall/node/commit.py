"""One attempt to make an Envoy hold a snapshot: awaited together with the death it may cause."""

import asyncio
from dataclasses import dataclass

from seawall.compiler.snapshot import Snapshot
from seawall.errors import UnreachableError
from seawall.limits import (
    COMMIT_TIMEOUT_S,
    ENVOY_LOG_SEARCHED_BYTES,
    ENVOY_LOG_TAIL_BYTES,
    ENVOY_READY_TIMEOUT_S,
)
from seawall.node.ads import Outcome
from seawall.node.envoy import EnvoyProcess
from seawall.node.keeper import Keeper
from seawall.node.report import nacks
from seawall.rollout.ports import Nack


@dataclass(frozen=True, slots=True)
class Attempt:
    """How it ended.

    Attributes:
        why: in words; empty when it ended well.
        blames_content: of a failure, whether the release is at fault rather than this machine.
    """

    why: str = ""
    nacks: tuple[Nack, ...] = ()
    blames_content: bool = True


async def attempt(
    keeper: Keeper,
    snapshot: Snapshot,
    *,
    proven: bool = False,
    timeout_s: float = COMMIT_TIMEOUT_S,
    ready_timeout_s: float = ENVOY_READY_TIMEOUT_S,
) -> Attempt:
    """Commit `snapshot` and wait until Envoy serves; nothing is undone here."""
    process = keeper.process
    outcome, died = Outcome(settled=False), True
    with keeper.loading():
        if process is not None:
            async with asyncio.TaskGroup() as tasks:
                commit = tasks.create_task(
                    keeper.link.commit(snapshot, proven=proven, timeout_s=timeout_s)
                )
                death = tasks.create_task(process.exited())
                await asyncio.wait((commit, death), return_when=asyncio.FIRST_COMPLETED)
                died = not commit.done()
                commit.cancel()
                death.cancel()
            outcome = outcome if died else commit.result()
        if outcome.settled and await _ready(keeper, ready_timeout_s):
            return Attempt()
    if died:
        log = keeper.slot.log_tail(ENVOY_LOG_SEARCHED_BYTES, begins_at=keeper.log_begins_at)
        return Attempt(_death(process, _worst(log)))
    return Attempt(_why(outcome, timeout_s), nacks(snapshot, outcome.rejected))


async def _ready(keeper: Keeper, timeout_s: float) -> bool:
    """Whether Envoy has started its workers: only then does it accept connections."""
    if keeper.process is None:
        return False
    try:
        await keeper.process.wait_ready(timeout_s)
    except UnreachableError:
        return False
    return True


def _death(process: EnvoyProcess | None, worst: str) -> str:
    """How it died in words, with what its log says of that."""
    told = (
        "Envoy died while it loaded the release.",
        process.ending if process is not None else "",
    )
    return " ".join(part for part in (*told, f"Its log: {worst}" if worst else "") if part)


def _worst(log: str) -> str:
    """The line that tells of its end; empty when none does.

    It is the last if that has no level, which is what Envoy says of a bootstrap, or else the first
    of an error.
    """
    lines = log.splitlines()
    if lines and not lines[-1].startswith("["):
        return lines[-1][:ENVOY_LOG_TAIL_BYTES]
    found = (line for line in lines if "[critical]" in line or "[error]" in line)
    return next(found, "")[:ENVOY_LOG_TAIL_BYTES]


def _why(outcome: Outcome, timeout_s: float) -> str:
    """The failure in words, of an Envoy that lives."""
    if outcome.rejected:
        return f"Envoy refused it: {outcome.rejected[0].words}"
    if outcome.settled:
        return "Envoy did not become ready in time"
    names = ", ".join(f"{type_url.short} {name}" for type_url, name in outcome.waiting[:3])
    return f"Envoy did not acknowledge it within {timeout_s:g} s ({names or 'not connected'})"
