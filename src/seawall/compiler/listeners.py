"""Addresses become listeners, kept constant on purpose: what changes often lives elsewhere.

Every change of a filter chain makes Envoy drain the connections of that chain. So routes come by
RDS, certificates by SDS, clusters by CDS; a TLS listener has one chain per certificate slot, chosen
by server name, so that a new certificate adds a chain and drains nobody.

With trusted proxies each chain stands twice: connections from a trusted network get a connection
manager that believes `x-forwarded-for`, all others one that does not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from envoy.config.core.v3 import address_pb2, base_pb2, extension_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2 as hcm_pb2,
)
from envoy.extensions.http.original_ip_detection.xff.v3 import xff_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

from seawall.compiler import filters, names
from seawall.compiler.access_log import access_log
from seawall.compiler.addresses import Range, both_forms
from seawall.compiler.fingerprint import fingerprint_filter
from seawall.compiler.hardening import harden_http, harden_listener
from seawall.compiler.misdirected import marking_filter
from seawall.compiler.replies import default_replies
from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.compiler.wire import body_of, flag, from_ads, packed
from seawall.ids import CertificateName
from seawall.model import Edge, Listener, TlsVersion, TrustedProxies

_TLS_VERSION = {TlsVersion.TLS_1_2: "TLSv1_2", TlsVersion.TLS_1_3: "TLSv1_3"}
_ANY_HOST = "*"


@dataclass(frozen=True)
class _Managers:
    """The packed connection managers of one scheme; `trusted` is None when nobody is trusted."""

    untrusted: Any
    trusted: Any | None


def compile_listeners(edge: Edge) -> list[Resource]:
    """The listeners of `edge`, plain and TLS.

    Without any certificate no TLS listener is made: Envoy refuses one that no handshake can pass.
    """
    resources = []
    if edge.listen.http:
        managers = _managers(edge, names.ROUTES_HTTP)
        for listener in edge.listen.http:
            message = _listener("http", listener)
            message.filter_chains.extend(_chains(edge, managers, "plain"))
            harden_listener(message, edge.limits)
            resources.append(_resource("http", listener, message))
    if edge.listen.https and any(site.certificate is not None for site in edge.sites):
        managers = _managers(edge, names.ROUTES_HTTPS)
        chains = list(_tls_chains(edge, managers))
        for listener in edge.listen.https:
            message = _listener("https", listener)
            message.filter_chains.extend(chains)
            harden_listener(message, edge.limits)
            resources.append(_resource("https", listener, message))
    return resources


def _resource(scheme: str, listener: Listener, message: Any) -> Resource:
    name = names.listener(scheme, listener)
    return Resource(TypeUrl.LISTENER, name, body_of(message), f"listener {name}")


def _listener(scheme: str, listener: Listener) -> Any:
    message = listener_pb2.Listener(
        name=names.listener(scheme, listener),
        stat_prefix=scheme,
        address=address_pb2.Address(
            socket_address=address_pb2.SocketAddress(
                address=listener.address,
                port_value=listener.port,
                ipv4_compat=listener.address == "::",
            )
        ),
    )
    if listener.proxy_protocol:
        message.listener_filters.append(
            listener_components_pb2.ListenerFilter(
                name=names.FILTER_PROXY_PROTOCOL,
                typed_config=packed(proxy_protocol_pb2.ProxyProtocol()),
            )
        )
    return message


def _chains(edge: Edge, managers: _Managers, name: str) -> Iterator[Any]:
    """One chain, or two when some peers are trusted."""
    if managers.trusted is not None:
        chain = _chain(f"{name}{names.CHAIN_TRUSTED}", managers.trusted)
        for address, bits in _proxies(edge.trusted_proxies):
            chain.filter_chain_match.source_prefix_ranges.add(
                address_prefix=address
            ).prefix_len.value = bits
        yield chain
    yield _chain(name, managers.untrusted)


def _chain(name: str, manager: Any) -> Any:
    return listener_components_pb2.FilterChain(
        name=name,
        filters=[listener_components_pb2.Filter(name=names.FILTER_MANAGER, typed_config=manager)],
    )


def _tls_chains(edge: Edge, managers: _Managers) -> Iterator[Any]:
    for certificate, hosts in _hosts_by_certificate(edge).items():
        socket = _tls_socket(certificate, edge.tls_version_min)
        # Without a list of names a chain serves every name: only a site for any host wants that.
        named = [host for host in hosts if host != _ANY_HOST]
        variants = ([named] if named else []) + ([[]] if _ANY_HOST in hosts else [])
        for server_names in variants:
            label = f"tls {certificate}" if server_names else f"tls {certificate} any"
            for chain in _chains(edge, managers, label):
                chain.filter_chain_match.server_names.extend(server_names)
                chain.transport_socket.CopyFrom(socket)
                if not chain.filter_chain_match.source_prefix_ranges:
                    marking = marking_filter(certificate, named=bool(server_names))
                    chain.filters.insert(0, fingerprint_filter())
                    chain.filters.insert(0, marking)
                yield chain


def _hosts_by_certificate(edge: Edge) -> dict[CertificateName, list[str]]:
    hosts: dict[CertificateName, list[str]] = {}
    for site in edge.sites:
        if site.certificate is not None:
            hosts.setdefault(site.certificate, []).extend(site.hosts)
    return hosts


def _tls_socket(certificate: CertificateName, version_min: TlsVersion) -> Any:
    context = tls_pb2.DownstreamTlsContext()
    common = context.common_tls_context
    common.tls_params.tls_minimum_protocol_version = _TLS_VERSION[version_min]
    common.tls_params.tls_maximum_protocol_version = "TLSv1_3"
    common.alpn_protocols.extend(["h2", "http/1.1"])
    secret = common.tls_certificate_sds_secret_configs.add(name=str(certificate))
    secret.sds_config.CopyFrom(from_ads())
    return base_pb2.TransportSocket(
        name="envoy.transport_sockets.tls", typed_config=packed(context)
    )


def _managers(edge: Edge, routes: str) -> _Managers:
    untrusted = packed(_manager(edge, routes, None))
    if not edge.trusted_proxies.cidrs:
        return _Managers(untrusted, None)
    return _Managers(untrusted, packed(_manager(edge, routes, edge.trusted_proxies)))


def _manager(edge: Edge, routes: str, trusted: TrustedProxies | None) -> Any:
    manager = hcm_pb2.HttpConnectionManager(
        stat_prefix=routes,
        rds=hcm_pb2.Rds(config_source=from_ads(), route_config_name=routes),
        http_filters=filters.http_filters(),
        local_reply_config=default_replies(),
        access_log=[access_log(edge.access_log)],
        strip_trailing_host_dot=True,
    )
    manager.upgrade_configs.add(upgrade_type="websocket", enabled=flag(on=False))
    _set_client_address(manager, trusted)
    harden_http(manager, edge.limits, tls=routes == names.ROUTES_HTTPS)
    return manager


def _set_client_address(manager: Any, trusted: TrustedProxies | None) -> None:
    if trusted is None or trusted.hops:
        manager.xff_num_trusted_hops = trusted.hops if trusted else 0
        return
    detection = xff_pb2.XffConfig(skip_xff_append=flag(on=False))
    for address, bits in _proxies(trusted):
        detection.xff_trusted_cidrs.cidrs.add(address_prefix=address).prefix_len.value = bits
    manager.original_ip_detection_extensions.append(
        extension_pb2.TypedExtensionConfig(
            name="envoy.http.original_ip_detection.xff", typed_config=packed(detection)
        )
    )


def _proxies(trusted: TrustedProxies) -> Iterator[Range]:
    """Networks of the proxies, in each form that another proxy may tell their addresses in.

    Each once: Envoy refuses a filter chain that names one twice.
    """
    yield from dict.fromkeys(each for cidr in trusted.cidrs for each in both_forms(cidr))
