"""The client's side of `hands`: one method an operation, mixed into `Client`."""

from collections.abc import Iterator
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import quote

from seawall.api import hand_requests, hand_views, job_views, rollout_views, views
from seawall.telemetry.shadow_report import ShadowReport

View = TypeVar("View")


class _Sender(Protocol):
    def _get(self, kind: type[View], path: str) -> View: ...

    def _post(self, kind: type[View], path: str, body: object) -> View: ...

    def _delete(self, kind: type[View], path: str) -> View: ...

    def _stream(
        self, path: str, body: object, *, method: str = "POST"
    ) -> Iterator[views.ApplyEvent]: ...


class HandCalls:
    """What operators order in a hurry."""

    def switches(self: _Sender) -> hand_views.SwitchesView:
        """Kill switches that are on, and what can be killed."""
        return self._get(hand_views.SwitchesView, "/v1/switches")

    def kill(self: _Sender, request: hand_requests.KillRequest) -> Iterator[views.ApplyEvent]:
        """Switch a feature off for a while; events as those of apply."""
        return self._stream("/v1/kill", request)

    def unkill(self: _Sender, request: hand_requests.UnkillRequest) -> Iterator[views.ApplyEvent]:
        """End a kill switch before its time; events as those of apply."""
        return self._stream("/v1/unkill", request)

    def feeds(self: _Sender) -> hand_views.FeedsView:
        """The address lists of the current release."""
        return self._get(hand_views.FeedsView, "/v1/feeds")

    def feed(self: _Sender, name: str) -> hand_views.FeedContentView:
        """What was pushed last into a list."""
        return self._get(hand_views.FeedContentView, f"/v1/feeds/{quote(name, safe='')}")

    def push_feed(
        self: _Sender, name: str, content: bytes, **options: Any
    ) -> Iterator[views.ApplyEvent]:
        """Release new content of a feed; events as those of apply."""
        try:
            body = hand_requests.FeedRequest(text=content.decode(), **options)
        except UnicodeDecodeError:
            body = hand_requests.FeedRequest(base64=content, **options)
        return self._stream(f"/v1/feeds/{quote(name, safe='')}", body, method="PUT")

    def rotate_keys(
        self: _Sender, author: str, reason: str = "", *, break_glass: bool = False
    ) -> Iterator[views.ApplyEvent]:
        """Sign clearances with a new key; events as those of apply."""
        body = hand_requests.RotateRequest(author, reason, break_glass)
        return self._stream("/v1/clearance-keys/rotate", body)

    def jobs(self: _Sender) -> job_views.JobsView:
        """Work that control does by itself at intervals."""
        return self._get(job_views.JobsView, "/v1/jobs")

    def run_job(self: _Sender, name: str, author: str = "") -> job_views.JobView:
        """Run a job now; it goes on by itself."""
        path = f"/v1/jobs/{quote(name, safe='')}/run"
        return self._post(job_views.JobView, path, job_views.JobRequest(author))

    def bot_shadow(self: _Sender) -> ShadowReport:
        """How the shadow model compares in the newest access records."""
        return self._get(ShadowReport, "/v1/bots/shadow")

    def promote(self: _Sender, request: hand_requests.PromoteRequest) -> Iterator[views.ApplyEvent]:
        """Make the shadow the bot model; events as those of apply."""
        return self._stream("/v1/bots/promote", request)

    def unshadow(self: _Sender, author: str, reason: str = "") -> Iterator[views.ApplyEvent]:
        """Take the shadow model away; events as those of apply."""
        return self._stream("/v1/bots/unshadow", hand_requests.DeedRequest(author, reason))

    def quarantine(self: _Sender) -> hand_views.QuarantineView:
        """Content that may not be rolled out again."""
        return self._get(hand_views.QuarantineView, "/v1/quarantine")

    def release_quarantine(self: _Sender, digest: str) -> hand_views.QuarantinedView:
        """Let quarantined content be rolled out again."""
        path = f"/v1/quarantine/{quote(digest, safe='')}"
        return self._delete(hand_views.QuarantinedView, path)

    def rollouts(self: _Sender) -> rollout_views.RolloutsView:
        """Releases on their way, and the freeze."""
        return self._get(rollout_views.RolloutsView, "/v1/rollouts")

    def rollout_story(self: _Sender, release: str) -> rollout_views.RolloutHistoryView:
        """The rollouts of one release."""
        path = f"/v1/rollouts/{quote(release, safe='')}"
        return self._get(rollout_views.RolloutHistoryView, path)

    def steer(
        self: _Sender, deed: Literal["pause", "resume", "abort"], author: str, reason: str = ""
    ) -> rollout_views.RolloutView:
        """Pause, resume or abort the running rollout."""
        body = hand_requests.DeedRequest(author, reason)
        return self._post(rollout_views.RolloutView, f"/v1/{deed}", body)

    def freeze(self: _Sender, author: str, reason: str = "") -> rollout_views.RolloutsView:
        """Stop every start and advance of a release."""
        body = hand_requests.DeedRequest(author, reason)
        return self._post(rollout_views.RolloutsView, "/v1/freeze", body)

    def unfreeze(self: _Sender, author: str) -> rollout_views.RolloutsView:
        """Lift the freeze."""
        body = hand_requests.DeedRequest(author)
        return self._post(rollout_views.RolloutsView, "/v1/unfreeze", body)
