"""gRPC to an origin that is spoken to in HTTP/1.1, or WebSocket to one in HTTP/2."""

from collections.abc import Iterator

from seawall.model import Forward, UpstreamProtocol
from seawall.site.draft import Draft
from seawall.site.problem import Problem, Severity
from seawall.site.rules.rule import Rule, one_site

RULE = Rule(
    id="protocol-mismatch",
    severity=Severity.ERROR,
    meaning="A route carries gRPC, but its origin uses HTTP/1.1; or it carries both gRPC and "
    "WebSocket.",
    why="gRPC needs HTTP/2 all the way.",
    remedy="Write `protocol: http2` on the origin.",
    example=one_site("""
routes:
  - {name: rpc, prefix: /pkg.Service/, grpc: true, origin: "http://127.0.0.1:50051"}
"""),
)


def check(draft: Draft) -> Iterator[Problem]:
    """Each gRPC route whose origin is known."""
    for name, placed in draft.sites.items():
        for index, route in enumerate(draft.built_sites[name].routes):
            action = route.action
            if not isinstance(action, Forward) or not action.grpc:
                continue
            where, subject = placed.at("routes", index, "grpc"), f"route {route.id}"
            if action.websocket:
                yield RULE.found(where, subject, "`grpc` and `websocket` cannot stand together.")
            origin = draft.built_origins.get(action.origin)
            if origin is not None and origin.protocol is UpstreamProtocol.HTTP1:
                what = f"The origin `{action.origin}` is spoken to in HTTP/1.1."
                yield RULE.found(where, subject, what)
