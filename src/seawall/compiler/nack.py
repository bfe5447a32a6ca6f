"""From Envoy's words back to what was written: which resource was refused, and who wrote it.

Envoy names the refused resource at the start of its message for listeners and clusters, and often
names a virtual host, route or certificate inside it. The longest known name in the words wins, so
`shop/api` is preferred to `shop`.
"""

import re
from typing import Final

from envoy.config.route.v3 import route_pb2

from seawall.compiler.snapshot import Snapshot, TypeUrl

EDGE: Final = "edge"
"""The owner of what belongs to no single site, origin, certificate or listener."""
_WORD_EDGE = r"(?<![\w./-])"
_WORD_END = r"(?![\w/-]|\.\w)"


def explain(snapshot: Snapshot, type_url: str, envoy_words: str) -> tuple[str, str]:
    """Who wrote what Envoy refused.

    Args:
        snapshot: what Envoy was told.
        type_url: the type of the refused response; empty when unknown (a validation says none).
        envoy_words: Envoy's own message.

    Returns:
        `(owner, resource)`: an owner such as `origin api`, `site shop` or `route shop/api`, else
        `edge`; and the resource's name, empty when Envoy named none.
    """
    owners = {
        r.name: (r.owner, r.name)
        for r in snapshot.resources
        if type_url in ("", r.type_url.value) and r.type_url is not TypeUrl.BOOTSTRAP
    }
    if type_url in ("", TypeUrl.ROUTES.value):
        owners |= _parts_of_routes(snapshot)
    named = [name for name in owners if _mentions(envoy_words, name)]
    if not named:
        return EDGE, ""
    return owners[max(named, key=lambda name: (owners[name][0] != EDGE, len(name)))]


def _parts_of_routes(snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    owners: dict[str, tuple[str, str]] = {}
    for resource in snapshot.of_type(TypeUrl.ROUTES):
        configuration = route_pb2.RouteConfiguration.FromString(resource.body)
        for host in configuration.virtual_hosts:
            site = (f"site {host.name}", resource.name)
            owners[host.name] = site
            owners |= dict.fromkeys(host.domains, site)
            for route in host.routes:
                owners[route.name] = (f"route {route.name}", resource.name)
                if route.match.HasField("safe_regex"):
                    owners[route.match.safe_regex.regex] = (f"route {route.name}", resource.name)
    return owners


def _mentions(words: str, name: str) -> bool:
    if not name or name not in words:  # most names: a regex for each would cost a second
        return False
    return re.search(_WORD_EDGE + re.escape(name) + _WORD_END, words) is not None
