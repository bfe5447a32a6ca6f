"""Names that several parts must agree on: resources, filters, runtime keys, internal headers.

Resource names come from the site file and not from content, so that a change of content changes a
resource in place. Whatever a client may send under `INTERNAL_HEADER_PREFIX` is removed on arrival.
"""

from typing import Final

from seawall.model import Listener, Origin

ROUTES_HTTP: Final = "http"
"""The RouteConfiguration of every plain listener."""
ROUTES_HTTPS: Final = "https"
"""The RouteConfiguration of every TLS listener."""
BOOTSTRAP: Final = "bootstrap"
RUNTIME_LAYER: Final = "seawall"
"""The RTDS layer, and so the name of the one `Runtime` resource."""

METADATA_NAMESPACE: Final = "seawall"
"""Namespace of route metadata; the node adds the key `release` to it."""
METADATA_CLASS: Final = "class"
"""Key of the route's class; absent for `page`, which most routes are."""
UNKNOWN_HOST: Final = "_unknown_host"
"""The virtual host of requests for hosts that no site has; no site can have this name."""

DNS_CLUSTER: Final = "envoy.clusters.dns"
"""What Envoy calls a cluster whose endpoints have names."""
SYSTEM_CA_FILE: Final = "/etc/ssl/certs/ca-certificates.crt"
"""The system's bundle of authorities where Debian, Ubuntu, Alpine, Arch and Fedora keep it."""

INTERNAL_HEADER_PREFIX: Final = "x-seawall-"
ENDPOINT_COOKIE: Final = "seawall-endpoint"
"""Keeps a client on its endpoint that has not the cookie by which the origin is balanced."""

ACCESS_FILE: Final = "access.ndjson"
"""The access records, in the slot directory, which is Envoy's working directory; there it is a link
to the same name in DIR/access."""

RUNTIME_ACCESS_LOG_SAMPLE: Final = "seawall.access_log.sample"
"""Share of ordinary requests that are logged."""
RUNTIME_ACCESS_LOG_NODE_SAMPLE: Final = "seawall.access_log.node_sample"
"""Share that a busy node allows itself; the smaller of the two decides."""
RUNTIME_ACCESS_LOG_NODE_REFUSED: Final = "seawall.access_log.node_refused"
"""The same of requests answered with 400 to 499, and of those that were given up or slow."""
RUNTIME_ACCESS_LOG_NODE_FAILED: Final = "seawall.access_log.node_failed"
"""The same of requests answered with 500 and up."""
RUNTIME_NODE_DIRECTORY: Final = "runtime"
"""Link in the slot's directory to the runtime values of this node alone."""
RUNTIME_ACCESS_LOG_ON: Final = "seawall.access_log.on"
"""Share of all requests that may be recorded at all: everything, or nothing by a kill switch."""
RUNTIME_ACCESS_LOG_STATUS_MIN: Final = "seawall.access_log.status_min"
RUNTIME_ACCESS_LOG_SERVED_STATUS_MAX: Final = "seawall.access_log.served_status_max"
RUNTIME_ACCESS_LOG_REFUSED_STATUS_MAX: Final = "seawall.access_log.refused_status_max"
RUNTIME_ACCESS_LOG_FAILED_STATUS_MIN: Final = "seawall.access_log.failed_status_min"
RUNTIME_ACCESS_LOG_SLOW_MS: Final = "seawall.access_log.slow_ms"

FILTER_MANAGER: Final = "envoy.filters.network.http_connection_manager"
FILTER_ROUTER: Final = "envoy.filters.http.router"
FILTER_COMPRESS: Final = "seawall.compress"
FILTER_USUAL_LIMIT: Final = "seawall.body_limit.usual"
FILTER_BODY_LIMIT: Final = "seawall.body_limit"
FILTER_DENY: Final = "seawall.deny"
FILTER_BOTS: Final = "seawall.bots"
"""Also the namespace of the metadata in which hosts and routes carry bot policy, and in which the
filter leaves what it decided."""
FILTER_BOTS_ANSWERS: Final = "seawall.bots.answers"
"""The half of the bot filter that looks at answers; on and off wherever `FILTER_BOTS` is."""
FILTERS_BOTS: Final = (FILTER_BOTS, FILTER_BOTS_ANSWERS)
METADATA_DECISION: Final = "d"
"""Key of what the bot filter decided, one text; `seawall.telemetry.bots` reads it."""
METADATA_CLEARANCE: Final = "clearance"
"""Key, beside a site's policy, of the keys that its clearances are signed with. Private."""
METADATA_CONTACT: Final = "contact"
"""Key, beside a site's policy, of where somebody who cannot pass a challenge may write."""
CLUSTER_BOTS: Final = "seawall_bots"
"""The node's bot service; every node's bootstrap has this cluster, and no release."""
BOTS_SOCKET: Final = "../bots.sock"
"""Of the bot service, from Envoy's working directory, the slot's."""
PATH_BOTS: Final = "/.well-known/seawall/"
"""Of the bot service, on every site that may challenge."""
PATH_PROBE: Final = "/.well-known/seawall/probe"
"""Where the page probe reports; its script lies at the same path with `.js`."""
ROUTE_PROBE: Final = "/_probe"
"""Ends the name of the route that takes its reports; that of the script goes on with `.js`."""
ROUTE_BOTS: Final = "/_bots"
"""Ends the name of the route to the bot service."""
STATE_JA4: Final = "seawall.ja4"
"""Filter state of a TLS connection that holds its JA4."""
HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
"""Under which a cluster says how it speaks HTTP."""
CHAIN_TRUSTED: Final = " trusted"
"""Ends the name of a filter chain for connections from trusted proxies."""
FILTER_PROXY_PROTOCOL: Final = "envoy.filters.listener.proxy_protocol"
FILTER_KEEP_PATH: Final = "seawall.keep_path"
FILTER_TRAILERS: Final = "seawall.trailers"
STATE_PATH: Final = "seawall.path"
"""Filter state that holds the path as it came, where a route rewrites it."""
STATE_HOST: Final = "seawall.host"
"""Filter state that holds the host that was asked for, where a route rewrites it."""
STATE_CERTIFICATE: Final = "seawall.certificate"
"""Filter state of a TLS connection that tells by which certificate slot it was made."""

ROUTE_TRACE: Final = "/_trace"
"""Ends the name of the route that refuses TRACE and what is written like no method."""
ROUTE_ONE_HOST: Final = "/_one_host"
"""Ends the name of the route that refuses a Host that is not written as one."""
ROUTE_DOTS: Final = "/_dots"
"""Guards the paths of a site that tells paths apart."""
ROUTE_MISDIRECTED: Final = "/_misdirected"
"""Ends the name of the route that a site has when, and only when, there are several certificates;
so it comes and goes by what other sites do."""
ROUTE_HTTPS: Final = "/_https"
"""Ends the name of the route that sends plain http to https."""
ROUTE_ROBOTS: Final = "/_robots"
"""Ends the name of the route that answers for `/robots.txt`."""

SITE_STATISTICS_PREFIX: Final = "site/"
"""Before the name under which a private origin is counted; no origin's own name begins so."""


def listener(scheme: str, listener: Listener) -> str:
    """The listener's resource name, for example `http 0.0.0.0:80` or `https [::]:443`."""
    host = f"[{listener.address}]" if ":" in listener.address else listener.address
    return f"{scheme} {host}:{listener.port}"


def cluster(origin: Origin) -> str:
    """The cluster's name: what the access log shows as `origin`."""
    return str(origin.name)


def site_statistics(cluster_name: str) -> str:
    """How a cluster of one site is named in statistics: `site/SITE` or `site/SITE/ROUTE`."""
    return SITE_STATISTICS_PREFIX + cluster_name
