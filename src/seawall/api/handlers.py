"""One handler for each operation: from a checked call to a call of the service, nothing more."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from starlette.responses import Response

from seawall.api.asked import Caller, actor_of
from seawall.api.hand_operations import HAND_HANDLERS
from seawall.api.openapi import document
from seawall.api.requests import unpack
from seawall.api.service import Service
from seawall.ids import Digest, Generation, NodeName, RequestId
from seawall.rollout.ports import COMING_HEADER, Coming


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is understood: who asks, and with which checked values."""

    caller: Caller
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Any


async def _health(service: Service, _: Call) -> object:
    return await service.health()


async def _openapi(_: Service, __: Call) -> object:
    return document()


async def _status(service: Service, _: Call) -> object:
    return await service.status()


async def _metrics(service: Service, _: Call) -> object:
    return await service.metrics()


async def _check(service: Service, call: Call) -> object:
    return await service.check(unpack(call.body.sources), full=call.body.full)


async def _diff(service: Service, call: Call) -> object:
    return await service.diff(unpack(call.body.sources), force=call.body.force)


async def _apply(service: Service, call: Call) -> object:
    body = call.body
    await service.hands.broke_glass("apply", body.break_glass, body.author, call.caller)
    return service.apply(
        unpack(body.sources),
        caller=call.caller,
        message=body.message or body.break_glass,
        author=body.author,
        dry_run=body.dry_run,
        force=body.force,
        parent=body.parent,
        break_glass=bool(body.break_glass),
    )


async def _rollback(service: Service, call: Call) -> object:
    body = call.body
    await service.hands.broke_glass("rollback", body.break_glass, body.author, call.caller)
    return service.rollback(
        body.release,
        caller=call.caller,
        author=body.author,
        message=body.message or body.break_glass,
        force=body.force,
        break_glass=bool(body.break_glass),
    )


async def _releases(service: Service, call: Call) -> object:
    return await service.releases(limit=call.query["limit"], before=call.query["before"])


async def _show(service: Service, call: Call) -> object:
    return await service.show(call.path["release"])


async def _why(service: Service, call: Call) -> object:
    return await service.why(RequestId(call.path["request_id"]), call.query["node"])


async def _tokens(service: Service, _: Call) -> object:
    return await service.tokens()


async def _create_token(service: Service, call: Call) -> object:
    body = call.body
    return await service.create_token(body.name, body.scopes, body.ttl_s, caller=call.caller)


async def _revoke_token(service: Service, call: Call) -> object:
    return await service.revoke_token(call.path["token"], caller=call.caller)


async def _audit(service: Service, call: Call) -> object:
    return await service.audit(limit=call.query["limit"])


async def _join_token(service: Service, call: Call) -> object:
    return await service.desk().join_token(call.body, actor=actor_of(call.caller))


async def _nodes(service: Service, _: Call) -> object:
    return await service.desk().nodes()


async def _remove_node(service: Service, call: Call) -> object:
    return await service.desk().remove(call.path["name"], actor=actor_of(call.caller))


async def _assignment(service: Service, call: Call) -> object:
    known = Generation(call.query["known"])
    found = await service.assignment(NodeName(call.path["node"]), known, call.query["wait_s"])
    if isinstance(found, Coming):
        return Response(status_code=204, headers={COMING_HEADER: "1"})
    return found


async def _bundle(service: Service, call: Call) -> object:
    return await service.bundle(Digest(call.path["digest"]))


async def _report(service: Service, call: Call) -> object:
    await service.report(call.body)
    return Response(status_code=204)


HANDLERS: Final[Mapping[str, Callable[[Service, Call], Awaitable[object]]]] = MappingProxyType(
    {
        **HAND_HANDLERS,
        "health": _health,
        "openapi": _openapi,
        "status": _status,
        "metrics": _metrics,
        "check": _check,
        "diff": _diff,
        "apply": _apply,
        "rollback": _rollback,
        "releases": _releases,
        "show": _show,
        "why": _why,
        "tokens": _tokens,
        "create_token": _create_token,
        "revoke_token": _revoke_token,
        "audit": _audit,
        "join_token": _join_token,
        "nodes": _nodes,
        "remove_node": _remove_node,
        "assignment": _assignment,
        "bundle": _bundle,
        "report": _report,
    }
)
