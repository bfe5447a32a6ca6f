"""The operators' side of a fleet: who may join, who belongs to it, who is put out.

It hands to the registry of the store and puts together what is shown. A control process that
listens for no nodes has no desk.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from seawall.api.fleet_views import (
    FleetNodeView,
    FleetView,
    JoinTokenRequest,
    JoinTokenView,
    NodeRemoved,
)
from seawall.api.record_desk import RecordDesk
from seawall.clock import Clock
from seawall.errors import ConflictError, NotFoundError, UsageError
from seawall.ids import NodeName
from seawall.release.registry import Registry
from seawall.rollout.ports import NodeReport


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest report of a node, and whether it came lately."""

    report: NodeReport
    connected: bool


class Lead(Protocol):
    """Which control process leads."""

    @property
    def leading(self) -> bool:
        """Whether this one does."""
        ...

    @property
    def leader(self) -> str:
        """HOST:PORT of the one that does; empty when nobody does."""
        ...

    @property
    def trouble(self) -> str:
        """A sentence: why this process cannot know or lead; empty while it is well."""
        ...


class ElsewhereError(ConflictError):
    """Another control process leads; `leader` is its HOST:PORT, empty when nobody does.

    Attributes:
        why: a sentence, where it is known why nobody does.
    """

    def __init__(self, leader: str, why: str = "") -> None:
        who = f"the one at {leader} leads" if leader else "which one leads is currently unknown"
        self.why = "" if leader else why
        super().__init__(
            "not-the-leader",
            f"This control process does not lead; {who}. {self.why}".rstrip(),
            remedy="Run the command on that machine." if leader else "Try again in a moment.",
        )
        self.leader = leader


def elsewhere(lead: Lead) -> ElsewhereError | None:
    """Why this process changes nothing; None when it leads."""
    return None if lead.leading else ElsewhereError(lead.leader, lead.trouble)


@dataclass(frozen=True)
class FleetDesk:
    """What operators do with nodes.

    Attributes:
        control: HOST:PORT that nodes reach this control process at.
        token_text: makes what is typed of a token's secret.
        heard: what is known of a node.
        records: asks nodes for the record of a request.
        forget: told that a node was removed; whether anything was known of it.
    """

    registry: Registry
    clock: Clock
    control: str
    token_text: Callable[[str], str]
    heard: Callable[[NodeName], Heard | None]
    records: RecordDesk
    lead: Lead
    forget: Callable[[NodeName], Awaitable[bool]]

    def require_lead(self) -> None:
        """Before any work: a process that does not lead could not store what comes of it.

        Raises:
            ConflictError: another control process leads.
        """
        refusal = elsewhere(self.lead)
        if refusal is not None:
            raise refusal

    async def join_token(self, request: JoinTokenRequest, *, actor: str) -> JoinTokenView:
        """Make a join token.

        Raises:
            UsageError: a bad name, group or life.
            ConflictError: too many, or another control process leads.
        """
        made, secret = await asyncio.to_thread(
            self.registry.create_token,
            node=request.node,
            groups=request.groups,
            ttl_s=request.ttl_s,
            actor=actor,
        )
        text = self.token_text(secret)
        command = f"seawall node --control https://{self.control} --join {text} --data-dir DIR"
        return JoinTokenView(made.node, made.groups, made.expires_s, self.control, text, command)

    async def nodes(self) -> FleetView:
        """All nodes, and what was heard of them; they tell only the process that leads."""
        now_s = self.clock.now_s()
        views = []
        leads = self.lead.leading
        for node in await asyncio.to_thread(self.registry.nodes):
            heard = self.heard(node.name) if leads else None
            views.append(
                FleetNodeView(
                    name=node.name,
                    groups=node.groups,
                    joined_s=node.joined_s,
                    certificate_ends_s=node.certificate_ends_s,
                    certificate_over=node.certificate_ends_s < now_s,
                    connected=heard is not None and heard.connected if leads else None,
                    release=heard.report.release if heard else None,
                    phase=heard.report.phase.value if heard else "",
                )
            )
        return FleetView(tuple(views), self.lead.leader, self.lead.leading)

    async def remove(self, name: str, *, actor: str) -> NodeRemoved:
        """Believe a node no more.

        Raises:
            NotFoundError: there is none of that name.
            ConflictError: another control process leads.
        """
        missing: NotFoundError | None = None
        try:
            await asyncio.to_thread(self.registry.remove, name, actor=actor)
        except NotFoundError as error:
            missing = error  # perhaps what follows failed the last time
        if not await self.forget(NodeName(name)) and missing is not None:
            raise missing
        return NodeRemoved(name)


def no_desk() -> UsageError:
    """The answer of a control process that listens for no nodes."""
    return UsageError(
        "no-fleet",
        "This control process does not accept nodes on other machines.",
        remedy="Run it as `seawall control --listen-nodes HOST:PORT`.",
    )
