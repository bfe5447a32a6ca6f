"""The change from one snapshot to the next, in words a person understands.

Works on the compiled result, so it shows what really changes, and says which changes make Envoy
drain connections or need a new Envoy process. Secrets, header values and bodies are never shown.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.service.runtime.v3 import rtds_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.changes import EDGE, Action, Change
from seawall.compiler.differ import differences
from seawall.compiler.listener_words import chain_changes, take_proxy_protocol, told
from seawall.compiler.origin_words import origin_changes, origin_summary
from seawall.compiler.route_words import change
from seawall.compiler.secret_words import certificate_changes
from seawall.compiler.site_words import site_changes
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.trust_words import take_trust

__all__ = ["Action", "Change", "diff"]


def diff(old: Snapshot | None, new: Snapshot) -> tuple[Change, ...]:
    """What `new` changes; empty exactly when nothing does.

    Changes that restart or drain come first. More than `DIFF_CHANGES_MAX` are summarised at the
    end, by kind, so that a large change stays readable. `old` is None before the first release.
    """
    found = dict.fromkeys(_changes(old or Snapshot(()), new))  # both schemes often say the same
    ordered = sorted(found, key=lambda change: (not change.restarts, not change.drains))
    shown, rest = ordered[: limits.DIFF_CHANGES_MAX], ordered[limits.DIFF_CHANGES_MAX :]
    if rest:
        shown.append(_summary(rest))
    return tuple(shown)


def _summary(rest: list[Change]) -> Change:
    kinds = Counter((c.subject.partition(" ")[0], c.action.value) for c in rest)
    parts = [f"{count} x {kind} {action}" for (kind, action), count in sorted(kinds.items())]
    return Change(
        Action.CHANGED,
        EDGE,
        f"and {len(rest)} more changes: {', '.join(parts)}",
        drains=any(change.drains for change in rest),
        restarts=any(change.restarts for change in rest),
    )


def _changes(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    for type_url in TypeUrl:
        before = {r.name: r for r in old.of_type(type_url)}
        after = {r.name: r for r in new.of_type(type_url)}
        tell = _TELLERS.get(type_url, _resources)
        if before != after:
            yield from tell(before, after)


_Resources = Mapping[str, Resource]


def _resources(before: _Resources, after: _Resources) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        subject = (new or old or _NEVER).owner
        if old is None or new is None:
            action = Action.ADDED if old is None else Action.REMOVED
            yield Change(action, subject, f"{subject}: {action}")
        elif old.body != new.body:
            yield Change(Action.CHANGED, subject, f"{subject}: {new.type_url.short} changed")


def _bootstrap(before: _Resources, after: _Resources) -> Iterator[Change]:
    if not before:
        return
    old = bootstrap_pb2.Bootstrap.FromString(before[names.BOOTSTRAP].body)
    new = bootstrap_pb2.Bootstrap.FromString(after[names.BOOTSTRAP].body)
    for difference in differences(old, new):
        text = f"edge: {told(difference)}"
        yield Change(Action.CHANGED, EDGE, text, restarts=True)


def _runtime(before: _Resources, after: _Resources) -> Iterator[Change]:
    if not before:
        return
    was_on, is_on = (_recorded(resources) for resources in (before, after))
    if was_on != is_on:
        text = f"edge: access records {'on' if is_on else 'off: nothing is recorded'}"
        yield Change(Action.CHANGED, EDGE, text)
    old, new = (_sample(resources) for resources in (before, after))
    if old != new:
        text = f"edge: share of ordinary requests in the access log {old:g} % -> {new:g} %"
        yield Change(Action.CHANGED, EDGE, text)
        return
    if was_on == is_on:
        yield from _resources(before, after)


def _recorded(resources: _Resources) -> bool:
    layer = rtds_pb2.Runtime.FromString(resources[names.RUNTIME_LAYER].body).layer
    return names.RUNTIME_ACCESS_LOG_ON not in layer.fields


def _sample(resources: _Resources) -> float:
    layer = rtds_pb2.Runtime.FromString(resources[names.RUNTIME_LAYER].body).layer
    return float(layer.fields[names.RUNTIME_ACCESS_LOG_SAMPLE].number_value) / 10_000


def _certificates(before: _Resources, after: _Resources) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        text = certificate_changes(old.body if old else None, new.body if new else None)
        if text:
            action = _action(old, new)
            yield Change(action, f"certificate {name}", f"certificate {name}: {text}")


def _origins(before: _Resources, after: _Resources) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        subject = f"origin {name}"
        if old is None and new is not None:
            yield Change(Action.ADDED, subject, f"{subject}: added, {origin_summary(new.body)}")
        elif new is None:
            yield Change(Action.REMOVED, subject, f"{subject}: removed")
        elif old is not None and old.body != new.body:
            for text in origin_changes(old.body, new.body):
                yield Change(Action.CHANGED, subject, f"{subject}: {text}")


def _listeners(before: _Resources, after: _Resources) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        subject = f"listener {name}"
        if old is None:
            yield Change(Action.ADDED, subject, f"{subject}: added")
        elif new is None:
            yield Change(Action.REMOVED, subject, f"{subject}: removed", drains=True)
        elif old.body != new.body:
            yield from _listener(subject, old.body, new.body)


def _listener(subject: str, old_body: bytes, new_body: bytes) -> Iterator[Change]:
    old = listener_pb2.Listener.FromString(old_body)
    new = listener_pb2.Listener.FromString(new_body)
    before = {chain.name: chain for chain in old.filter_chains}
    after = {chain.name: chain for chain in new.filter_chains}
    known = any(name.endswith(names.CHAIN_TRUSTED) for name in before)
    for text in take_trust(before, after):
        yield Change(Action.CHANGED, subject, f"{subject}: {text}", drains=known)
    for name in sorted({*before, *after}):
        if name not in before:
            yield Change(Action.CHANGED, subject, f"{subject}: chain {name!r} added")
        elif name not in after:
            text = f"{subject}: chain {name!r} removed"
            yield Change(Action.CHANGED, subject, text, drains=True)
    for text in chain_changes(before, after):
        yield Change(Action.CHANGED, subject, f"{subject}: {text}", drains=True)
    if list(before) != list(after) and sorted(before) == sorted(after):
        yield Change(Action.CHANGED, subject, f"{subject}: order of the chains changed")
    asked = (take_proxy_protocol(old), take_proxy_protocol(new))
    for text in change("PROXY protocol", *("on" if one else "off" for one in asked)):
        yield Change(Action.CHANGED, subject, f"{subject}: {text}", drains=True)
    for listener in (old, new):
        listener.ClearField("filter_chains")
    for difference in differences(old, new):
        text = f"{subject}: {told(difference)}"
        yield Change(Action.CHANGED, subject, text, drains=True)


def _action(old: Resource | None, new: Resource | None) -> Action:
    if old is None:
        return Action.ADDED
    return Action.REMOVED if new is None else Action.CHANGED


_NEVER: Final = Resource(TypeUrl.BOOTSTRAP, "", b"", EDGE)
_TELLERS: Final[Mapping[TypeUrl, Callable[[_Resources, _Resources], Iterator[Change]]]] = {
    TypeUrl.BOOTSTRAP: _bootstrap,
    TypeUrl.SECRET: _certificates,
    TypeUrl.CLUSTER: _origins,
    TypeUrl.LISTENER: _listeners,
    TypeUrl.ROUTES: site_changes,
    TypeUrl.RUNTIME: _runtime,
}
