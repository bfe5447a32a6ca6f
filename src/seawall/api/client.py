"""The client of the HTTP API: what the CLI calls. One method an operation, views as answers.

It is light on purpose (`seawall status` should answer at once): the views, and nothing of the
service. It reads answers leniently, because a newer control process may say more.
"""

from collections.abc import Iterator
from urllib.parse import quote

from seawall import limits
from seawall.api import fleet_views, requests, status_views, views
from seawall.api.calls import Calls, view_of
from seawall.api.hand_client import HandCalls
from seawall.site.sources import SourceSet


class Client(Calls, HandCalls):
    """Every operation."""

    def health(self) -> status_views.HealthView:
        """Whether control and its store answer."""
        return self._get(status_views.HealthView, "/healthz")

    def check(self, sources: SourceSet, *, full: bool | None = False) -> views.CheckView:
        """Find the problems of a site file; with `full`, those that Envoy finds too."""
        body = requests.CheckRequest(requests.pack(sources), full=full)
        return self._post(views.CheckView, "/v1/check", body)

    def diff(self, sources: SourceSet, *, force: tuple[str, ...] = ()) -> views.DiffView:
        """What applying these sources would change."""
        body = requests.CheckRequest(requests.pack(sources), force)
        return self._post(views.DiffView, "/v1/diff", body)

    def rollback(
        self,
        release: str | None = None,
        *,
        author: str = "",
        message: str = "",
        force: tuple[str, ...] = (),
        break_glass: str = "",
    ) -> Iterator[views.ApplyEvent]:
        """Serve an earlier release again; without one, the newest good one before the current."""
        body = requests.RollbackRequest(release, author, message, force, break_glass)
        return self._stream("/v1/rollback", body)

    def status(self) -> status_views.StatusView:
        """What serves, how it goes, and what is wrong."""
        return self._get(status_views.StatusView, "/v1/status")

    def releases(self, *, limit: int = 20, before: str = "") -> views.ReleasesView:
        """Releases, newest first; `before` continues below that release."""
        return self._get(
            views.ReleasesView, "/v1/releases", {"limit": str(limit), "before": before}
        )

    def show(self, release: str) -> views.ReleaseDetailView:
        """One release in full."""
        return self._get(views.ReleaseDetailView, f"/v1/releases/{_part(release)}")

    def why(self, request_id: str, *, node: str = "") -> status_views.WhyView:
        """The story of one request; of a fleet's nodes only `node` is asked, if one is named."""
        query = {"node": node} if node else {}
        return self._get(status_views.WhyView, f"/v1/why/{_part(request_id)}", query)

    def metrics(self) -> str:
        """Prometheus text."""
        return self._send("GET", "/v1/metrics").text

    def tokens(self) -> status_views.TokensView:
        """API tokens, without their values."""
        return self._get(status_views.TokensView, "/v1/tokens")

    def create_token(
        self, name: str, *, scopes: tuple[str, ...] = ("read",), ttl_s: float | None = None
    ) -> status_views.TokenCreated:
        """Make an API token; its value is in the answer and nowhere else."""
        body = {"name": name, "scopes": list(scopes), "ttl_s": ttl_s}
        return self._post(status_views.TokenCreated, "/v1/tokens", body)

    def join_token(
        self, node: str = "", groups: tuple[str, ...] = (), ttl_s: float = limits.JOIN_TOKEN_TTL_S
    ) -> fleet_views.JoinTokenView:
        """Make a join token; its text is in the answer and nowhere else."""
        body = fleet_views.JoinTokenRequest(node, groups, ttl_s)
        return self._post(fleet_views.JoinTokenView, "/v1/join-tokens", body)

    def nodes(self) -> fleet_views.FleetView:
        """Nodes of the fleet."""
        return self._get(fleet_views.FleetView, "/v1/nodes")

    def remove_node(self, name: str) -> fleet_views.NodeRemoved:
        """Believe a node no more."""
        answer = self._send("DELETE", f"/v1/nodes/{_part(name)}")
        return view_of(fleet_views.NodeRemoved, answer)

    def revoke_token(self, token_id: str) -> status_views.TokenView:
        """Make an API token worthless."""
        answer = self._send("DELETE", f"/v1/tokens/{_part(token_id)}")
        return view_of(status_views.TokenView, answer)

    def audit(self, *, limit: int = 50) -> status_views.AuditView:
        """Who did what, newest first."""
        return self._get(status_views.AuditView, "/v1/audit", {"limit": str(limit)})


def _part(text: str) -> str:
    return quote(text[: limits.API_NAME_LENGTH_CHARS_MAX], safe="", errors="replace")
