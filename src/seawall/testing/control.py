"""An honest in-memory control: keeps the promises of `ControlPort` and nothing else.

It can be taken away and brought back, and remembers what it was told. The contract tests that the
real HTTP client must pass run on it too, so that what tests learn from it is true.
"""

import asyncio

from seawall.errors import NotFoundError, UnreachableError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.rollout.ports import Assignment, Coming, NodeReport, Trial


class MemoryControl:
    """Implements `ControlPort` for nodes in the same event loop.

    Attributes:
        reports: everything that was reported, oldest first.
        fetched: digests of the bundles that were asked for, in order.
        obey_known: False makes it a broken control that offers old generations too.
    """

    def __init__(self) -> None:
        self.reports: list[NodeReport] = []
        self.fetched: list[Digest] = []
        self.obey_known = True
        self._bundles: dict[Digest, bytes] = {}
        self._assignments: dict[NodeName, Assignment] = {}
        self._coming: set[NodeName] = set()
        self._moved = asyncio.Condition()
        self._away = False

    async def assign(
        self,
        release: ReleaseId,
        digest: Digest,
        envelope: bytes,
        *,
        bake_s: float = 0.0,
        node: NodeName | None = None,
        generation: int | None = None,
        trial: Trial | None = None,
    ) -> Assignment:
        """Give a node a release; the generation is the next one unless a test wants another."""
        node = node or NodeName("local")
        known = self._assignments.get(node)
        if generation is None:
            generation = known.generation + 1 if known else 1
        assignment = Assignment(Generation(generation), release, digest, bake_s, trial)
        self._bundles[digest] = envelope
        async with self._moved:
            self._assignments[node] = assignment
            self._moved.notify_all()
        return assignment

    def hold(self, digest: Digest, envelope: bytes) -> None:
        """Have a bundle that is not assigned yet."""
        self._bundles[digest] = envelope

    async def foretell(self, node: NodeName | None = None) -> None:
        """Tell a node that a change is being prepared."""
        async with self._moved:
            self._coming.add(node or NodeName("local"))
            self._moved.notify_all()

    async def go_away(self) -> None:
        """From now on every call raises `UnreachableError`, those that wait included."""
        async with self._moved:
            self._away = True
            self._moved.notify_all()

    async def come_back(self) -> None:
        """Answer again."""
        async with self._moved:
            self._away = False
            self._moved.notify_all()

    async def assignment(
        self, node: NodeName, known: Generation, wait_s: float
    ) -> Assignment | Coming | None:
        """See `ControlPort.assignment`."""
        self._answer()

        def news() -> Assignment | None:
            newest = self._assignments.get(node)
            is_new = newest is not None and (not self.obey_known or newest.generation > known)
            return newest if is_new else None

        def ready() -> bool:
            return self._away or news() is not None or node in self._coming

        try:
            async with asyncio.timeout(wait_s), self._moved:
                await self._moved.wait_for(ready)
        except TimeoutError:
            return None
        self._answer()
        if (found := news()) is not None:
            return found
        self._coming.discard(node)
        return Coming()

    async def bundle(self, digest: Digest) -> bytes:
        """See `ControlPort.bundle`.

        Raises:
            NotFoundError: no such bundle.
            UnreachableError: control is away.
        """
        self._answer()
        self.fetched.append(digest)
        if digest not in self._bundles:
            raise NotFoundError("bundle-unknown", f"There is no bundle {digest[:12]}.")
        return self._bundles[digest]

    async def report(self, report: NodeReport) -> None:
        """See `ControlPort.report`."""
        self._answer()
        async with self._moved:
            self.reports.append(report)
            self._moved.notify_all()

    def _answer(self) -> None:
        if self._away:
            raise UnreachableError("control-unreachable", "The control process does not answer.")
