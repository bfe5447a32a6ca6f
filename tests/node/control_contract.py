"""What every `ControlPort` must do. Run `check_control` on each implementation.

`arrange` gives a port and a way to assign a release to node `local`; see `test_control_contract`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import pytest

from seawall.errors import NotFoundError, UnreachableError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.rollout.ports import Assignment, Coming, ControlPort, NodeReport, Phase

NODE = NodeName("local")
DIGEST = Digest("a" * 64)
ENVELOPE = b"an envelope"


class Assign(Protocol):
    """Assigns a release to node `local` and returns what the node should be told."""

    def __call__(
        self, release: ReleaseId, digest: Digest, envelope: bytes
    ) -> Awaitable[Assignment]: ...


@dataclass
class Arranged:
    """One implementation, ready to be asked.

    `go_away` makes it unreachable; None when the implementation is tested for that elsewhere.
    `foretell` says that a change is being prepared; None where nodes are not told.
    """

    port: ControlPort
    assign: Assign
    go_away: Callable[[], Awaitable[None]] | None = None
    foretell: Callable[[], Awaitable[None]] | None = None
    digest: Digest = DIGEST
    envelope: bytes = field(default=ENVELOPE)


async def check_control(arranged: Arranged) -> None:
    """Every promise of the port, in the order a node meets them."""
    port = arranged.port
    assert await port.assignment(NODE, Generation(0), 0.01) is None, "nothing is assigned yet"
    waiting = asyncio.ensure_future(port.assignment(NODE, Generation(0), 10.0))
    await asyncio.sleep(0)
    given = await arranged.assign(ReleaseId("r1"), arranged.digest, arranged.envelope)
    assert await waiting == given, "a long poll ends when an assignment appears"
    assert await port.assignment(NODE, Generation(0), 10.0) == given, "asked again, told again"
    known = given.generation
    assert await port.assignment(NODE, known, 0.01) is None, "nothing above what is known"
    if arranged.foretell is not None:
        waiting = asyncio.ensure_future(port.assignment(NODE, known, 10.0))
        await asyncio.sleep(0)
        await arranged.foretell()
        assert await waiting == Coming(), "a change that is being prepared ends a poll"
        assert await port.assignment(NODE, known, 0.01) is None, "it is said once"
    assert await port.bundle(arranged.digest) == arranged.envelope
    with pytest.raises(NotFoundError):
        await port.bundle(Digest("0" * 64))
    await port.report(NodeReport(NODE, known, ReleaseId("r1"), arranged.digest, Phase.GOOD))
    if arranged.go_away is not None:
        await arranged.go_away()
        for call in (
            port.assignment(NODE, Generation(0), 0.01),
            port.bundle(arranged.digest),
            port.report(NodeReport(NODE, known, None, None, Phase.GOOD)),
        ):
            with pytest.raises(UnreachableError):
                await call
