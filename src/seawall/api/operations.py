"""Every operation of the HTTP API, as data: the app, the OpenAPI document and the docs read it.

An operation that is not in this table does not exist. Scopes: `open` needs no token, `read` and
`write` need one with that scope where tokens are needed (on TCP), `node` is served on the Unix
socket only, because nodes of other machines will come with certificates of their own.
"""

from typing import Final

from seawall import limits
from seawall.api import fleet_views, requests, status_views, views
from seawall.api.hand_operations import HAND_OPERATIONS
from seawall.api.operation import NDJSON, Operation, Query
from seawall.rollout import ports

BINARY: Final = "application/octet-stream"
PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
_LARGE: Final = limits.API_BODY_SIZE_BYTES_MAX

OPERATIONS: Final = (
    *HAND_OPERATIONS,
    Operation(
        "GET", "/healthz", "health", "Whether control and its store answer.", "open",
        status_views.HealthView,
    ),
    Operation(
        "GET", "/v1/openapi.json", "openapi", "This document.", "open", dict,
    ),
    Operation(
        "GET", "/v1/status", "status", "What serves, how well, and what is wrong.", "read",
        status_views.StatusView,
    ),
    Operation(
        "GET", "/v1/metrics", "metrics", "Prometheus metrics.", "read", media=PLAIN,
    ),
    Operation(
        "POST", "/v1/check", "check", "Find the problems of a site file.", "read",
        views.CheckView, requests.CheckRequest, body_size_bytes_max=_LARGE,
    ),
    Operation(
        "POST", "/v1/diff", "diff", "What applying a site file would change.", "read",
        views.DiffView, requests.CheckRequest, body_size_bytes_max=_LARGE,
    ),
    Operation(
        "POST", "/v1/apply", "apply", "Release a site file; answers with its progress.", "write",
        views.ApplyEvent, requests.ApplyRequest, media=NDJSON, body_size_bytes_max=_LARGE,
    ),
    Operation(
        "POST", "/v1/rollback", "rollback", "Serve an earlier release again.", "write",
        views.ApplyEvent, requests.RollbackRequest, media=NDJSON,
    ),
    Operation(
        "GET", "/v1/releases", "releases", "Releases, newest first.", "read", views.ReleasesView,
        query=(
            Query("limit", int, "How many, 1 to 200.", 20, least=1),
            Query("before", str, "List only releases older than this one.", ""),
        ),
    ),
    Operation(
        "GET", "/v1/releases/{release}", "show", "One release in full.", "read",
        views.ReleaseDetailView,
    ),
    Operation(
        "GET", "/v1/why/{request_id}", "why", "The story of one request.", "read",
        status_views.WhyView,
        query=(Query("node", str, "Ask only this node of the fleet.", ""),),
    ),
    Operation(
        "GET", "/v1/tokens", "tokens", "API tokens, without their values.", "write",
        status_views.TokensView,
    ),
    Operation(
        "POST", "/v1/tokens", "create_token", "Create an API token; its value is shown once.",
        "write", status_views.TokenCreated, requests.TokenRequest, status=201,
    ),
    Operation(
        "DELETE", "/v1/tokens/{token}", "revoke_token", "Revoke an API token.", "write",
        status_views.TokenView,
    ),
    Operation(
        "GET", "/v1/audit", "audit", "Who did what, newest first.", "read",
        status_views.AuditView, query=(Query("limit", int, "How many, 1 to 200.", 50, least=1),),
    ),
    Operation(
        "POST", "/v1/join-tokens", "join_token", "Let a machine join the fleet as a node.",
        "write", fleet_views.JoinTokenView, fleet_views.JoinTokenRequest, status=201,
    ),
    Operation(
        "GET", "/v1/nodes", "nodes", "Nodes of the fleet, by name.", "read",
        fleet_views.FleetView,
    ),
    Operation(
        "DELETE", "/v1/nodes/{name}", "remove_node", "Stop trusting a node; it keeps serving.",
        "write", fleet_views.NodeRemoved,
    ),
    Operation(
        "GET", "/v1/node/{node}/assignment", "assignment",
        "Long poll for an assignment above the known generation; 204 when there is none.", "node",
        ports.Assignment,
        query=(
            Query("known", int, "The newest generation the node knows.", required=True),
            Query("wait_s", float, "Longest wait in seconds.", 0.0),
        ),
    ),
    Operation(
        "GET", "/v1/node/bundles/{digest}", "bundle", "A sealed release bundle.", "node",
        media=BINARY,
    ),
    Operation(
        "POST", "/v1/node/report", "report", "Take a node's report.", "node", None,
        ports.NodeReport, status=204, body_size_bytes_max=limits.NODE_REPORT_SIZE_BYTES_MAX,
    ),
)  # fmt: skip


def endpoints_table() -> str:
    """The table of docs/api.md."""
    rows = ["| method and path | scope | what it does |", "|---|---|---|"]
    rows += [f"| `{o.method} {o.path}` | {o.scope} | {o.summary} |" for o in OPERATIONS]
    return "\n".join(rows) + "\n"
