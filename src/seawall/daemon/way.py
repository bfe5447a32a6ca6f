"""How the node process of a machine that joined a fleet reaches control, and whom it believes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random  # noqa: TID251 - the type of what the caller seeded

import structlog

from seawall import limits
from seawall.clock import Clock
from seawall.compiler.names import ACCESS_FILE
from seawall.errors import SeawallError
from seawall.fleet import tls
from seawall.fleet.answerer import Answerer
from seawall.fleet.identity import Identity
from seawall.fleet.mirrors import parse_mirror
from seawall.fleet.remote import FleetControl
from seawall.ids import NodeName
from seawall.node.lastgood import Opener, trusting
from seawall.tasks import Background

_LOG = structlog.stdlib.get_logger("seawall.node")
_NAMELESS = NodeName("nameless")


@dataclass(frozen=True)
class Way:
    """What the agent is given.

    Attributes:
        opener: believes the key that was pinned when this machine joined.
        renamed: set when this machine has joined under another name than `node`: control answers
            whoever still works under that one no more.
    """

    node: NodeName
    control: FleetControl
    opener: Opener
    renamed: asyncio.Event


@contextlib.asynccontextmanager
async def fleet_way(
    data_dir: Path, clock: Clock, rng: Random, mirrors: Sequence[str]
) -> AsyncIterator[Way]:
    """The way to the fleet's control until the block ends.

    Meanwhile it renews the certificate, and answers what control asks about requests.

    Args:
        data_dir: of the node.
        clock: of the machine.
        rng: for jitter.
        mirrors: URLs to fetch bundles from first.

    Raises:
        SeawallError: a mirror's URL is none.
    """
    tls.keep_small()
    identity = Identity(data_dir / "identity")
    trusted = data_dir / "node" / "trusted.pub"
    stamp, renamed = identity.stamp(), asyncio.Event()
    node = _name(identity)
    answerer = Answerer(data_dir / "access" / ACCESS_FILE, clock, _tell)
    control = FleetControl(
        identity,
        clock,
        rng,
        trusted=trusted,
        mirrors=tuple(parse_mirror(url) for url in mirrors),
        answerer=answerer,
        tell=_tell,
    )
    async with Background(_tell_error) as background:
        background.keep(control.keep_certificate, clock, name="certificate")
        background.keep(answerer.run, clock, name="answers")
        background.spawn(_watch_name(identity, node, stamp, renamed, clock), name="name")
        try:
            yield Way(node, control, trusting(trusted), renamed)
        finally:
            control.close()


async def _watch_name(
    identity: Identity, node: NodeName, stamp: object, renamed: asyncio.Event, clock: Clock
) -> None:
    """Look until this machine has joined under another name; `stamp` is of when `node` was read."""
    while True:
        await clock.sleep(limits.NODE_NAME_LOOK_S)
        if identity.stamp() == stamp:
            continue
        stamp = identity.stamp()
        with contextlib.suppress(SeawallError):  # written just now, or damaged
            name = (await asyncio.to_thread(identity.load)).node
            if name != node:
                _tell("renamed", f"This machine is node {name} now; the agent of {node} ends.")
                renamed.set()
                return


def _name(identity: Identity) -> NodeName:
    """Of this node; a node that no longer knows it serves all the same."""
    try:
        return identity.name()
    except SeawallError as error:
        words = f"This node does not know its name and serves from its disk. {error}"
        _tell("name-unknown", words)
        return _NAMELESS


def _tell(event: str, text: str) -> None:
    _LOG.info(event, text=text)


def _tell_error(where: str, error: BaseException) -> None:
    _LOG.error("unexpected", where=where, exc_info=error)
