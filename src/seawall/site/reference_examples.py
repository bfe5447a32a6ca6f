"""The sections of the site file in the order of the documentation, each with an example."""

from typing import Final

from seawall.site.schema.base import Section
from seawall.site.schema.bots import (
    ActionSection,
    BotRuleSection,
    BotsSection,
    CategoryActionSection,
    ChallengeActionSection,
    ChallengeSection,
    RateSection,
    RobotsSection,
)
from seawall.site.schema.edge import (
    AccessLogSection,
    EdgeBotsSection,
    IncludedFile,
    LimitsSection,
    ListenerSection,
    ListenSection,
    ListSection,
    SiteFile,
    TlsSection,
    TrustedProxiesSection,
)
from seawall.site.schema.jobs import LabelsSection, RangesSection, RetrainSection
from seawall.site.schema.origin import (
    BalanceSection,
    CircuitBreakerSection,
    EndpointSection,
    HashSection,
    HealthCheckSection,
    OriginSection,
    OriginTlsSection,
    OutlierSection,
    RetryBudgetSection,
)
from seawall.site.schema.rollout import GoldenSection, RolloutSection, StepSection
from seawall.site.schema.route import (
    HeaderChangesSection,
    HeadersSection,
    MatchSection,
    RedirectSection,
    RespondSection,
    RetriesSection,
    RewriteSection,
    RouteSection,
)
from seawall.site.schema.site import (
    CertificateSection,
    HstsSection,
    SecurityHeadersSection,
    SiteSection,
    SiteTlsSection,
)

EXAMPLES: Final[tuple[tuple[str, type[Section], str], ...]] = (
    (
        "The file",
        SiteFile,
        """
version: 1
includes: [sites/*.yaml]
listen: {http: "0.0.0.0:80", https: "0.0.0.0:443"}
certificates:
  shop: {cert: certs/shop.pem, key: certs/shop.key}
origins:
  shop: {endpoints: ["http://10.0.0.1:3000", "http://10.0.0.2:3000"]}
sites:
  shop: {hosts: [shop.example.com], origin: shop, tls: {certificate: shop}}
""",
    ),
    (
        "Included files",
        IncludedFile,
        """
sites:
  blog: {hosts: [blog.example.com], origin: "http://10.0.0.3:8080"}
""",
    ),
    (
        "listen",
        ListenSection,
        """
http: 0.0.0.0:80
https:
  - 0.0.0.0:443
  - {address: "[::]:443", proxy_protocol: true}
""",
    ),
    ("listen, one address", ListenerSection, "{address: 0.0.0.0:8443, public_port: 443}"),
    ("trusted_proxies", TrustedProxiesSection, "{cidrs: [10.0.0.0/8], hops: 1}"),
    ("tls", TlsSection, 'min_version: "1.3"\ndevelopment_ca: true'),
    (
        "limits",
        LimitsSection,
        "{max_connections: 50000, max_heap: 1GiB, header_timeout: 10s}",
    ),
    (
        "access_log",
        AccessLogSection,
        "{sample: 10%, request_headers: [referer], response_headers: [x-cache]}",
    ),
    (
        "rollout",
        RolloutSection,
        """
steps: [1%, {share: 10%, soak: 30s, deadline: 5m}, 50%]
waves: [canary, 25%, 100%]
bake: 10m
without_traffic: hold
""",
    ),
    ("rollout, one step", StepSection, "{share: 10%, soak: 30s, deadline: 5m}"),
    ("bots of the edge", EdgeBotsSection, "{retrain: {every: 24h}, ranges: {every: 24h}}"),
    (
        "bots of the edge, retrain",
        RetrainSection,
        "{every: 24h, labels: {sessions: truth.tsv}, without: [identity]}",
    ),
    (
        "bots of the edge, retrain, labels",
        LabelsSection,
        "{sessions: truth.tsv, bot_rules: [honeypot, trap], tool_rules: [declared]}",
    ),
    ("bots of the edge, ranges", RangesSection, "{every: 12h}"),
    ("lists", ListSection, "{file: lists/bad-clients.txt}"),
    ("certificates", CertificateSection, "{cert: certs/shop.pem, key: certs/shop.key}"),
    (
        "origins",
        OriginSection,
        """
endpoints: ["http://10.0.0.1:3000", {url: "http://10.0.0.2:3000", weight: 2}]
backup: ["http://10.1.0.1:3000"]
connect_timeout: 2s
load_balancing: {hash: {cookie: sid}}
health_check: {path: /healthz, interval: 5s, up: 2, down: 3}
""",
    ),
    ("endpoints", EndpointSection, '{url: "http://10.0.0.2:3000", weight: 2}'),
    ("load_balancing", BalanceSection, "{hash: {header: x-user}}"),
    ("hash", HashSection, "{cookie: sid}"),
    (
        "health_check",
        HealthCheckSection,
        "{path: /healthz, interval: 5s, timeout: 2s, up: 2, down: 3, expect: 200-299}",
    ),
    (
        "outlier",
        OutlierSection,
        "{consecutive_failures: 5, interval: 10s, ejection: 30s, max_ejected: 50%}",
    ),
    ("retry_budget", RetryBudgetSection, "{share: 20%, min_concurrent: 3}"),
    (
        "circuit_breaker",
        CircuitBreakerSection,
        "{max_connections: 1024, max_pending: 1024, max_requests: 4096}",
    ),
    (
        "origins, tls",
        OriginTlsSection,
        "{sni: shop.internal, ca: certs/ca.pem, verify: true}",
    ),
    (
        "sites",
        SiteSection,
        """
hosts: [shop.example.com, "*.shop.example.com"]
origin: shop
tls: {certificate: shop}
redirect_to_https: true
hsts: true
error_pages: {5xx: errors/5xx.html, 404: errors/404.html}
golden: [/, {path: /api/health, status: 200, contains: ok}]
routes:
  - {name: api, prefix: /api, class: api, timeout: 30s}
""",
    ),
    (
        "golden",
        GoldenSection,
        """
path: /health?full=1
host: shop.example.com
headers: {accept: application/json}
status: 200
contains: '"ok"'
""",
    ),
    (
        "bots",
        BotsSection,
        """
mode: enforce
rules:
  - {name: partner, when: 'path.startswith("/export/") and cleared', do: allow}
  - name: searching
    when: path == "/search" and assets_60s == 1
    do: {rate: {requests: 30, per: 60s}}
  - {name: login, when: 'path == "/login" and score <= 20', do: {challenge: {level: 2}}}
  - {name: low, when: 'score <= 2 and requests_10m > 3 and kind == "page"', do: challenge}
categories: {ai-training: block, seo: {limit: {requests: 60, per: 10m}}}
robots: {sitemaps: [https://shop.example.com/sitemap.xml], extra: ["Disallow: /cart"]}
""",
    ),
    ("bots, rules", BotRuleSection, "{name: low, when: score <= 2, do: challenge}"),
    ("do", ActionSection, "{rate: {requests: 60, per: 60s}}"),
    ("do, challenge", ChallengeActionSection, "{level: 2}"),
    ("categories", CategoryActionSection, "{limit: {requests: 60, per: 10m}}"),
    ("rate", RateSection, "{requests: 60, per: 60s}"),
    ("robots", RobotsSection, '{extra: ["Disallow: /cart", "Disallow: /search"]}'),
    ("challenge", ChallengeSection, "{level: 2, unavailable: refuse, clearance: 1h}"),
    ("sites, tls", SiteTlsSection, "{certificate: shop}"),
    ("hsts", HstsSection, "{max_age: 365d, include_subdomains: true, preload: true}"),
    (
        "security_headers",
        SecurityHeadersSection,
        """
frame_options: DENY
content_security_policy: "default-src 'self'"
""",
    ),
    (
        "headers",
        HeadersSection,
        """
request: {set: {x-edge: seawall}}
response: {remove: [x-powered-by, x-generator]}
""",
    ),
    ("Header changes", HeaderChangesSection, '{set: {x-a: "1"}, add: {x-b: "2"}, remove: [x-c]}'),
    (
        "retries",
        RetriesSection,
        "{attempts: 2, on: [connect-failure, 5xx], per_try_timeout: 3s}",
    ),
    (
        "routes",
        RouteSection,
        """
name: items
regex: "/item/[0-9]+"
methods: [GET, HEAD]
headers: {x-version: "2"}
query: {debug: {present: false}}
rewrite: {regex: "/item/([0-9]+)", to: '/items/\\1'}
header_changes: {response: {set: {cache-control: no-store}}}
""",
    ),
    ("Conditions", MatchSection, '{prefix: "v2."}'),
    ("redirect", RedirectSection, "{to: https://www.example.com/new, status: 308}"),
    ("respond", RespondSection, '{status: 200, body: "pong"}'),
    ("rewrite", RewriteSection, "{prefix: /}"),
)
"""Title, section, and an example of the section's own content."""
