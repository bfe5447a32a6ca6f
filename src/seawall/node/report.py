"""What a report of the agent says of an Envoy, and the shape of what measures one."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from seawall.compiler.nack import explain
from seawall.compiler.snapshot import Snapshot
from seawall.errors import SeawallError
from seawall.ids import Generation, ReleaseId
from seawall.node.keeper import Keeper
from seawall.node.xds.messages import Rejected
from seawall.rollout.ports import EnvoyState, Nack
from seawall.telemetry.bot_sample import BotSample
from seawall.telemetry.window import Window


class Collector(Protocol):
    """What measures Envoy beside the agent; `telemetry.collector` is the real one."""

    async def run(self) -> None:
        """Measure until cancelled."""
        ...

    def serving(self, release: ReleaseId, generation: Generation) -> None:
        """From now on this release serves: close the window that another one was in."""
        ...

    def hurry(self, *, on: bool) -> None:
        """Look often and close short windows: while a release proves itself."""
        ...

    def windows(self) -> tuple[Window, ...]:
        """Closed windows that were not accepted yet, oldest first."""
        ...

    def accepted(self, windows: tuple[Window, ...]) -> None:
        """Control has taken these."""
        ...

    def notices(self) -> tuple[str, ...]:
        """Standing warnings."""
        ...

    def bots(self) -> BotSample | None:
        """What the newest access records say of bots; None where that is not known."""
        ...


class CollectorMaker(Protocol):
    """Makes the collector of a slot.

    Args of a call: the slot's directory; its role (`stable`, `candidate`, `baseline`); what is told
    every closed window; what knows the processor seconds of its Envoy.
    """

    def __call__(
        self,
        directory: Path,
        slot: str,
        seen: Callable[[Window], None],
        cpu_s: Callable[[], float | None],
    ) -> Collector:
        """The collector, not running yet."""
        ...


def starting_state(keeper: Keeper) -> EnvoyState | None:
    """The Envoy of `keeper` before it was asked anything."""
    process = keeper.process
    if process is None:
        return None
    return EnvoyState(
        pid=process.identity.pid,
        version=process.identity.version,
        uptime_s=0.0,
        restarts=keeper.restarts,
        live=False,
        memory_bytes=0,
    )


async def envoy_state(keeper: Keeper) -> EnvoyState | None:
    """The Envoy of `keeper` as it answers now; not `live` when it does not answer."""
    process, silent = keeper.process, starting_state(keeper)
    if process is None or silent is None:
        return None
    admin = keeper.slot.admin
    try:
        info = await admin.server_info()
        memory_bytes = await admin.heap_size_bytes()
    except SeawallError:
        return silent
    return replace(
        silent,
        version=info.version or silent.version,
        uptime_s=info.uptime_s,
        live=info.state == "LIVE" and process.alive,
        memory_bytes=memory_bytes,
    )


async def listeners(keeper: Keeper) -> tuple[str, ...]:
    """Addresses Envoy listens on; empty when it does not answer."""
    if keeper.process is None:
        return ()
    try:
        found = json.loads(await keeper.slot.admin.get("/listeners", {"format": "json"}))
        statuses = found.get("listener_statuses", ())
        return tuple(sorted(_addresses(status for status in statuses)))
    except (SeawallError, ValueError, AttributeError, TypeError, KeyError):
        return ()


def _addresses(statuses: Iterable[dict[str, dict[str, dict[str, object]]]]) -> Iterable[str]:
    for status in statuses:
        local = status.get("local_address", {})
        address = local.get("socket_address")
        if address:
            host, port = address["address"], address["port_value"]
            yield f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def nacks(snapshot: Snapshot, rejected: Iterable[Rejected]) -> tuple[Nack, ...]:
    """Envoy's refusals with what of the site file wrote the refused resource."""
    found = []
    for refusal in rejected:
        owner, name = explain(snapshot, refusal.type_url.value, refusal.words)
        if not name and len(refusal.names) == 1:  # it travelled alone, so it is the one
            name = refusal.names[0]
            resource = snapshot.by_key.get((refusal.type_url, name))
            owner = resource.owner if resource else owner
        found.append(Nack(refusal.type_url.value, name, owner, refusal.words))
    return tuple(found)
