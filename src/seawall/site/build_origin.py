"""Origins: from what is written to the model."""

from collections.abc import Callable

from seawall.ids import OriginName
from seawall.model import (
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
from seawall.site.schema.network import is_ip
from seawall.site.schema.origin import (
    BalanceSection,
    HealthCheckSection,
    OriginSection,
    OutlierSection,
)


def build_origin(
    name: OriginName, section: OriginSection, read_ca: Callable[[str], bytes | None]
) -> Origin:
    """The origin `name`.

    Args:
        name: of the origin.
        section: as written.
        read_ca: content of a file named in the section, or None when it cannot be read.
    """
    endpoints = tuple(
        Endpoint(entry.url.host, entry.url.port, entry.weight, backup)
        for entries, backup in ((section.endpoints, False), (section.backup, True))
        for entry in entries
    )
    breaker = section.circuit_breaker
    budget = section.retry_budget
    return Origin(
        name=name,
        endpoints=endpoints,
        protocol=UpstreamProtocol(section.protocol),
        tls=_tls(section, read_ca),
        connect_timeout_s=section.connect_timeout,
        idle_timeout_s=section.idle_timeout,
        load_balancing=_load_balancing(section.load_balancing),
        health_check=_health_check(section, section.health_check),
        outlier_ejection=_outlier(section.outlier) if section.outlier else None,
        retry_budget=RetryBudget(budget.share, budget.min_concurrent),
        circuit_breaker=CircuitBreaker(
            breaker.max_connections, breaker.max_pending, breaker.max_requests
        ),
        dns_refresh_s=section.dns_refresh,
        own_connections=section.own_connections,
    )


def _tls(section: OriginSection, read_ca: Callable[[str], bytes | None]) -> OriginTls | None:
    first = section.endpoints[0].url
    written = section.tls
    ca_pem = (read_ca(written.ca) if written and written.ca else None) or b""
    if first.scheme != "https":
        return None
    sni = (written.sni if written else None) or first.host
    return OriginTls(sni=sni.strip("[]"), verify=written.verify if written else True, ca_pem=ca_pem)


def _load_balancing(section: BalanceSection) -> LoadBalancing:
    hashed = section.hash
    if hashed is None:
        return LoadBalancing(BalanceBy(section.by or "least_request"))
    if hashed.header is not None:
        return LoadBalancing(BalanceBy.HASH_HEADER, hashed.header)
    if hashed.cookie is not None:
        return LoadBalancing(BalanceBy.HASH_COOKIE, hashed.cookie)
    return LoadBalancing(BalanceBy.HASH_CLIENT_IP)


def _health_check(section: OriginSection, written: HealthCheckSection | None) -> HealthCheck | None:
    if written is None:
        return None
    first = section.endpoints[0].url
    host = written.host or (section.tls.sni if section.tls else None) or first.host
    bracketed = f"[{host}]" if ":" in host and is_ip(host) else host
    return HealthCheck(
        path=written.path,
        host=bracketed,
        interval_s=written.interval,
        timeout_s=written.timeout,
        up_count=written.up,
        down_count=written.down,
        status_min=written.expect[0],
        status_max=written.expect[1],
    )


def _outlier(section: OutlierSection) -> OutlierEjection:
    return OutlierEjection(
        consecutive_failures=section.consecutive_failures,
        interval_s=section.interval,
        ejection_base_s=section.ejection,
        ejected_share_max=section.max_ejected,
    )
