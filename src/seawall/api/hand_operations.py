"""The operations of `hands`, as data, with the handler of each beside it.

They stand in a table of their own because they belong together; `operations` and `handlers` take
them in.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from seawall import limits
from seawall.api import hand_requests, hand_views, job_views, rollout_views, views
from seawall.api.operation import NDJSON, Operation
from seawall.telemetry.shadow_report import ShadowReport

if TYPE_CHECKING:
    from seawall.api.handlers import Call
    from seawall.api.service import Service

HAND_OPERATIONS: Final = (
    Operation(
        "GET", "/v1/switches", "switches", "Kill switches that are on, and what can be killed.",
        "read", hand_views.SwitchesView,
    ),
    Operation(
        "POST", "/v1/kill", "kill", "Switch a feature off for a while.", "write",
        views.ApplyEvent, hand_requests.KillRequest, media=NDJSON,
    ),
    Operation(
        "POST", "/v1/unkill", "unkill", "End a kill switch early.", "write",
        views.ApplyEvent, hand_requests.UnkillRequest, media=NDJSON,
    ),
    Operation(
        "GET", "/v1/feeds", "feeds", "The address lists of the current release.", "read",
        hand_views.FeedsView,
    ),
    Operation(
        "GET", "/v1/feeds/{feed}", "feed", "What was pushed last into a list, or as `bot-model`.",
        "read", hand_views.FeedContentView,
    ),
    Operation(
        "PUT", "/v1/feeds/{feed}", "push_feed", "Release new content of a feed.", "write",
        views.ApplyEvent, hand_requests.FeedRequest, media=NDJSON,
        body_size_bytes_max=limits.API_FEED_BODY_SIZE_BYTES_MAX,
    ),
    Operation(
        "POST", "/v1/clearance-keys/rotate", "rotate_keys",
        "Sign clearances with a new key; the previous one stays valid.", "write",
        views.ApplyEvent, hand_requests.RotateRequest, media=NDJSON,
    ),
    Operation(
        "GET", "/v1/jobs", "jobs", "Jobs that control runs at intervals.", "read",
        job_views.JobsView,
    ),
    Operation(
        "POST", "/v1/jobs/{job}/run", "run_job", "Start a job now; it runs in the background.",
        "write", job_views.JobView, job_views.JobRequest, status=202,
    ),
    Operation(
        "GET", "/v1/bots/shadow", "bot_shadow",
        "How the shadow model compares in the newest access records.", "read", ShadowReport,
    ),
    Operation(
        "POST", "/v1/bots/promote", "promote", "Make the shadow the bot model, as a release.",
        "write", views.ApplyEvent, hand_requests.PromoteRequest, media=NDJSON,
    ),
    Operation(
        "POST", "/v1/bots/unshadow", "unshadow", "Take the shadow model away, as a release.",
        "write", views.ApplyEvent, hand_requests.DeedRequest, media=NDJSON,
    ),
    Operation(
        "GET", "/v1/quarantine", "quarantine", "Content that may not be rolled out again.",
        "read", hand_views.QuarantineView,
    ),
    Operation(
        "DELETE", "/v1/quarantine/{digest}", "release_quarantine",
        "Allow quarantined content to be rolled out again.", "write", hand_views.QuarantinedView,
    ),
    Operation(
        "GET", "/v1/rollouts", "rollouts_now", "Running rollouts, and the freeze.",
        "read", rollout_views.RolloutsView,
    ),
    Operation(
        "GET", "/v1/rollouts/{release}", "rollout_story", "The rollouts of one release.", "read",
        rollout_views.RolloutHistoryView,
    ),
    Operation(
        "POST", "/v1/pause", "pause", "Pause the running rollout where it is.", "write",
        rollout_views.RolloutView, hand_requests.DeedRequest,
    ),
    Operation(
        "POST", "/v1/resume", "resume", "Continue a rollout that is paused or held.", "write",
        rollout_views.RolloutView, hand_requests.DeedRequest,
    ),
    Operation(
        "POST", "/v1/abort", "abort", "Withdraw the running rollout from every node.", "write",
        rollout_views.RolloutView, hand_requests.DeedRequest,
    ),
    Operation(
        "POST", "/v1/freeze", "freeze", "Stop every release from starting or advancing.", "write",
        rollout_views.RolloutsView, hand_requests.DeedRequest,
    ),
    Operation(
        "POST", "/v1/unfreeze", "unfreeze", "Lift the freeze.", "write",
        rollout_views.RolloutsView, hand_requests.DeedRequest,
    ),
)  # fmt: skip


async def _switches(service: "Service", _: "Call") -> object:
    return await service.hands.switches()


async def _kill(service: "Service", call: "Call") -> object:
    return await service.hands.kill(call.body, call.caller)


async def _unkill(service: "Service", call: "Call") -> object:
    return await service.hands.unkill(call.body, call.caller)


async def _feeds(service: "Service", _: "Call") -> object:
    return await service.hands.feeds()


async def _feed(service: "Service", call: "Call") -> object:
    return await service.hands.feed(call.path["feed"])


async def _push_feed(service: "Service", call: "Call") -> object:
    return await service.hands.push_feed(call.path["feed"], call.body, call.caller)


async def _rotate_keys(service: "Service", call: "Call") -> object:
    return await service.hands.rotate_keys(call.body, call.caller)


async def _jobs(service: "Service", _: "Call") -> object:
    return await service.hands.jobs.view()


async def _run_job(service: "Service", call: "Call") -> object:
    return await service.hands.run_job(call.path["job"], call.body, call.caller)


async def _bot_shadow(service: "Service", _: "Call") -> object:
    return await service.hands.shadows.report()


async def _promote(service: "Service", call: "Call") -> object:
    return await service.hands.promote(call.body, call.caller)


async def _unshadow(service: "Service", call: "Call") -> object:
    return await service.hands.unshadow(call.body, call.caller)


async def _quarantine(service: "Service", _: "Call") -> object:
    return await service.hands.quarantine()


async def _release_quarantine(service: "Service", call: "Call") -> object:
    return await service.hands.release_quarantine(call.path["digest"], call.caller)


async def _rollouts_now(service: "Service", _: "Call") -> object:
    return await service.hands.rollouts_now()


async def _rollout_story(service: "Service", call: "Call") -> object:
    return await service.hands.rollout_story(call.path["release"])


async def _pause(service: "Service", call: "Call") -> object:
    return await service.hands.pause(call.body, call.caller)


async def _resume(service: "Service", call: "Call") -> object:
    return await service.hands.resume(call.body, call.caller)


async def _abort(service: "Service", call: "Call") -> object:
    return await service.hands.abort(call.body, call.caller)


async def _freeze(service: "Service", call: "Call") -> object:
    return await service.hands.freeze(call.body, call.caller)


async def _unfreeze(service: "Service", call: "Call") -> object:
    return await service.hands.unfreeze(call.body, call.caller)


HAND_HANDLERS: Final[Mapping[str, Callable[[Any, Any], Awaitable[object]]]] = MappingProxyType(
    {
        "switches": _switches,
        "kill": _kill,
        "unkill": _unkill,
        "feeds": _feeds,
        "feed": _feed,
        "push_feed": _push_feed,
        "rotate_keys": _rotate_keys,
        "jobs": _jobs,
        "run_job": _run_job,
        "bot_shadow": _bot_shadow,
        "promote": _promote,
        "unshadow": _unshadow,
        "quarantine": _quarantine,
        "release_quarantine": _release_quarantine,
        "rollouts_now": _rollouts_now,
        "rollout_story": _rollout_story,
        "pause": _pause,
        "resume": _resume,
        "abort": _abort,
        "freeze": _freeze,
        "unfreeze": _unfreeze,
    }
)
