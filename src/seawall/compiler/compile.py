"""`compile_edge`: a model in, a complete snapshot of Envoy resources out.

All or nothing: there is no partly compiled edge. The function is pure: no I/O, no clock, no
randomness; equal edges give equal bytes.
"""

from seawall.compiler import names
from seawall.compiler.behind import origins_behind
from seawall.compiler.clusters import compile_origin
from seawall.compiler.hardening import bootstrap_body
from seawall.compiler.listeners import compile_listeners
from seawall.compiler.routes import compile_routes
from seawall.compiler.runtime import compile_runtime
from seawall.compiler.secrets import compile_certificate
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.model import Edge


def compile_edge(edge: Edge) -> Snapshot:
    """Compile `edge`.

    Only certificates that a site shows are told to Envoy: a secret that no listener asks for
    would never be acknowledged.
    """
    shown = {site.certificate for site in edge.sites}
    behind = origins_behind(edge)
    return Snapshot.of(
        [
            Resource(TypeUrl.BOOTSTRAP, names.BOOTSTRAP, bootstrap_body(edge.limits), "edge"),
            *(compile_certificate(c) for c in edge.certificates if c.name in shown),
            *(compile_origin(o, private=behind[o.name].private) for o in edge.origins),
            *compile_listeners(edge),
            *compile_routes(edge, behind),
            compile_runtime(edge.access_log),
        ]
    )
