"""The nouns of an edge: frozen values with no I/O, no text positions and no Envoy.

`seawall.site` makes them from a site file, with every default already applied; the compiler reads
them. Units stand last in each name (`timeout_s`, `body_size_bytes_max`); shares are 0 to 1.
Collections are tuples in the order of the site file, so equal configurations are equal values.
"""

from seawall.model.edge import (
    AccessLogPolicy,
    Edge,
    EdgeLimits,
    Listen,
    Listener,
    TrustedProxies,
)
from seawall.model.lists import IpList
from seawall.model.origin import (
    BalanceBy,
    CircuitBreaker,
    Endpoint,
    HealthCheck,
    LoadBalancing,
    Origin,
    OriginTls,
    OutlierEjection,
    RetryBudget,
    UpstreamProtocol,
)
from seawall.model.rollout import (
    DEFAULT_POLICY,
    Golden,
    RolloutPolicy,
    Step,
    Wave,
    WithoutTraffic,
)
from seawall.model.route import (
    FixedResponse,
    Forward,
    HeaderChanges,
    PathExact,
    PathMatch,
    PathPrefix,
    PathRegex,
    Redirect,
    Retries,
    Rewrite,
    Route,
    RouteClass,
    RouteMatch,
    StringMatch,
    StringMatchKind,
    Timeouts,
)
from seawall.model.site import (
    Compression,
    ErrorPage,
    Hsts,
    Site,
)
from seawall.model.switches import (
    FEATURES,
    Feature,
    Switch,
    apply_switches,
)
from seawall.model.tls import Certificate, TlsVersion

__all__ = [
    "DEFAULT_POLICY",
    "FEATURES",
    "AccessLogPolicy",
    "BalanceBy",
    "Certificate",
    "CircuitBreaker",
    "Compression",
    "Edge",
    "EdgeLimits",
    "Endpoint",
    "ErrorPage",
    "Feature",
    "FixedResponse",
    "Forward",
    "Golden",
    "HeaderChanges",
    "HealthCheck",
    "Hsts",
    "IpList",
    "Listen",
    "Listener",
    "LoadBalancing",
    "Origin",
    "OriginTls",
    "OutlierEjection",
    "PathExact",
    "PathMatch",
    "PathPrefix",
    "PathRegex",
    "Redirect",
    "Retries",
    "RetryBudget",
    "Rewrite",
    "RolloutPolicy",
    "Route",
    "RouteClass",
    "RouteMatch",
    "Site",
    "Step",
    "StringMatch",
    "StringMatchKind",
    "Switch",
    "Timeouts",
    "TlsVersion",
    "TrustedProxies",
    "UpstreamProtocol",
    "Wave",
    "WithoutTraffic",
    "apply_switches",
]
