"""Who is turned away by address: one filter, asleep where no list is named.

The lists stand in the route table, because Envoy builds that once for all filter chains: in a
filter of each chain, a thousand certificates would hold a thousand copies of every list. What most
sites deny is said once for the whole table; a site that denies nothing switches the filter off, and
one that denies something else carries its own copy. Addresses are found in a trie, so a list of a
hundred thousand networks costs a request no more than one of ten.

Behind proxies each network of IPv4 is compiled in its IPv6 form as well: see `addresses`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from envoy.config.rbac.v3 import rbac_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as rbac_filter_pb2
from envoy.extensions.matching.common_inputs.network.v3 import network_inputs_pb2
from xds.core.v3 import cidr_pb2
from xds.core.v3 import extension_pb2 as xds_extension_pb2
from xds.type.matcher.v3 import ip_pb2, matcher_pb2

from seawall import limits
from seawall.compiler import names
from seawall.compiler.addresses import MAPPED, mapped
from seawall.compiler.tables import Table
from seawall.compiler.wire import FILTER_OFF, as_field, body_of, filter_switch, packed
from seawall.errors import RefusedError
from seawall.ids import ListName
from seawall.model import Edge, IpList, Site, TrustedProxies

_SWITCHES_FIELD: Final = 15
"""`VirtualHost.typed_per_filter_config`."""
_CONFIGS_REMEMBERED_MAX: Final = 8

Denied = tuple[IpList, ...]
"""The lists of a site that hold something, by name."""


def deny_filter() -> Any:
    """The filter as it stands in the connection manager: it lets everybody in."""
    return packed(rbac_filter_pb2.RBAC())


class Denials:
    """What each site of an edge denies.

    Attributes:
        usual: what most of those deny that deny anything.
    """

    def __init__(self, edge: Edge) -> None:
        by_name = {one.name: one for one in edge.lists if one.networks}
        self._behind_proxies = _behind_proxies(edge)
        self._by_site = {site.name: _denied(site, by_name) for site in edge.sites}
        counted = Counter(denied for denied in self._by_site.values() if denied)
        self.usual: Denied = (
            min(counted, key=lambda d: (-counted[d], [one.name for one in d])) if counted else ()
        )

    def require_bounded(self) -> None:
        """Refuse more copies of lists than an Envoy should hold.

        Raises:
            RefusedError: with the arithmetic.
        """
        own = [denied for denied in self._by_site.values() if denied not in ((), self.usual)]
        lists = [one.networks for denied in (self.usual, *own) for one in denied]
        held = sum(map(len, lists))
        if self._behind_proxies:
            held += sum(":" not in network for networks in lists for network in networks)
        if held > limits.LIST_COPIES_MAX:
            raise RefusedError(
                "lists-too-large-together",
                f"{len(own)} site(s) deny other lists than most sites, and each needs its own "
                f"copy: {held:,} networks in total; at most {limits.LIST_COPIES_MAX:,} are "
                "allowed.",
                remedy="Use the same lists on all sites, or shorten the lists.",
            )

    def write_table(self, configuration: Any) -> None:
        """Say in a `RouteConfiguration` what most sites deny."""
        if self.usual:
            switch = configuration.typed_per_filter_config[names.FILTER_DENY]
            switch.CopyFrom(_switch(self.usual, twice=self._behind_proxies))

    def of_site(self, site: Site) -> bytes:
        """What a serialized virtual host of `site` is continued with."""
        denied = self._by_site[site.name]
        if denied == self.usual:
            return b""
        return _entry(_switch(denied, twice=self._behind_proxies) if denied else FILTER_OFF)

    def of_nobody(self) -> bytes:
        """What a serialized virtual host that belongs to no site is continued with."""
        return _entry(FILTER_OFF) if self.usual else b""


def lists_held(table: Table) -> Mapping[str, frozenset[str]]:
    """The lists in a compiled route table, with their networks."""
    configuration = route_pb2.RouteConfiguration.FromString(table.rest)
    told = names.FILTER_DENY.encode()
    own = [route_components_pb2.VirtualHost.FromString(h) for h in table.hosts if told in h]
    found: dict[str, frozenset[str]] = {}
    for one in (configuration, *own):
        for ranges in _ranges(one.typed_per_filter_config.get(names.FILTER_DENY)):
            name = ranges.on_match.action.name
            if name not in found:
                found[name] = frozenset(
                    f"{each.address_prefix}/{each.prefix_len.value}"
                    for each in ranges.ranges
                    if not each.address_prefix.startswith(MAPPED)
                )
    return found


def denied_by(configuration: Any, host: Any) -> Sequence[str]:
    """Names of the lists whose clients a compiled virtual host turns away."""
    switch = host.typed_per_filter_config.get(names.FILTER_DENY)
    if switch is None:
        switch = configuration.typed_per_filter_config.get(names.FILTER_DENY)
    return [ranges.on_match.action.name for ranges in _ranges(switch)]


def _denied(site: Site, by_name: Mapping[ListName, IpList]) -> Denied:
    return tuple(by_name[name] for name in sorted(set(site.deny)) if name in by_name)


def _entry(switch: Any) -> bytes:
    key = as_field(1, names.FILTER_DENY.encode())
    return as_field(_SWITCHES_FIELD, key + as_field(2, body_of(switch)))


def _behind_proxies(edge: Edge) -> bool:
    """Whether others tell the addresses of clients, and so choose how they are written."""
    listeners = (*edge.listen.http, *edge.listen.https)
    return edge.trusted_proxies != TrustedProxies() or any(one.proxy_protocol for one in listeners)


@lru_cache(maxsize=_CONFIGS_REMEMBERED_MAX)
def _switch(denied: Denied, *, twice: bool) -> Any:
    """The packed `FilterConfig` that turns these away; shared, so never change it.

    Args:
        denied: the lists.
        twice: IPv4 networks in their IPv6 form too.
    """
    matcher = matcher_pb2.Matcher()
    tree = matcher.matcher_tree
    tree.input.name = "source"
    tree.input.typed_config.CopyFrom(packed(network_inputs_pb2.SourceIPInput()))
    by_address = ip_pb2.IPMatcher()
    for one in denied:
        ranges = by_address.range_matchers.add()
        ranges.ranges.extend(_range(network) for network in one.networks)
        if twice:
            ranges.ranges.extend(_range(n, as_ipv6=True) for n in one.networks if ":" not in n)
        ranges.on_match.action.CopyFrom(_action(one.name, rbac_pb2.RBAC.Action.DENY))
    tree.custom_match.name = "addresses"
    tree.custom_match.typed_config.CopyFrom(packed(by_address))
    matcher.on_no_match.action.CopyFrom(_action("allow", rbac_pb2.RBAC.Action.ALLOW))
    per_route = rbac_filter_pb2.RBACPerRoute(rbac=rbac_filter_pb2.RBAC(matcher=matcher))
    return filter_switch(packed(per_route))


def _range(network: str, *, as_ipv6: bool = False) -> Any:
    prefix, _, length = network.partition("/")
    address, bits = mapped((prefix, int(length))) if as_ipv6 else (prefix, int(length))
    made = cidr_pb2.CidrRange(address_prefix=address)
    made.prefix_len.value = bits
    return made


def _action(name: str, action: Any) -> Any:
    return xds_extension_pb2.TypedExtensionConfig(
        name=name, typed_config=packed(rbac_pb2.Action(name=name, action=action))
    )


def _ranges(switch: Any) -> Sequence[Any]:
    if switch is None:
        return ()
    config = route_components_pb2.FilterConfig.FromString(switch.value).config
    if not config.value:
        return ()
    per_route = rbac_filter_pb2.RBACPerRoute.FromString(config.value)
    custom = per_route.rbac.matcher.matcher_tree.custom_match.typed_config
    return list(ip_pb2.IPMatcher.FromString(custom.value).range_matchers)
