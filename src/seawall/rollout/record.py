"""A rollout as JSON and back: how the store keeps what no query asks for.

Written by one version and read by the next, so a key is added and never changes its meaning; a
missing one has a default. Reading is strict about types: a damaged row is refused, not guessed.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from seawall import limits
from seawall.errors import RefusedError
from seawall.ids import Digest, Generation, NodeName, ReleaseId
from seawall.model.rollout import RolloutPolicy, Step, Wave, WithoutTraffic
from seawall.rollout.state import (
    Basis,
    Fleet,
    Hold,
    Pass,
    Pause,
    Rollout,
    Speed,
    Stage,
    Target,
)


def rollout_text(rollout: Rollout) -> str:
    """As stored.

    Raises:
        RefusedError: larger than a store keeps.
    """
    text = json.dumps(asdict(rollout), separators=(",", ":"), allow_nan=False)
    if len(text) > limits.ROLLOUT_STATE_SIZE_BYTES_MAX:
        raise RefusedError(
            "rollout-too-large",
            f"The state of the rollout of {rollout.release} takes {len(text)} bytes; at most "
            f"{limits.ROLLOUT_STATE_SIZE_BYTES_MAX} are allowed.",
            remedy="This is a defect of Seawall: please report it.",
        )
    return text


def read_rollout(text: str) -> Rollout:
    """What `rollout_text` wrote.

    Raises:
        RefusedError: it is damaged.
    """
    try:
        return _rollout(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RefusedError(
            "rollout-unreadable",
            "A rollout in the store cannot be read.",
            remedy="It is damaged, or a newer Seawall wrote it. Restore a backup of the store.",
            detail=str(error),
        ) from error


def fleet_state(fleet: Fleet) -> Fleet:
    """The fleet with its rollouts written and read again: what a new leader sees."""
    rollouts = tuple(read_rollout(rollout_text(rollout)) for rollout in fleet.rollouts)
    return replace(fleet, rollouts=rollouts, assigned=MappingProxyType(dict(fleet.assigned)))


def _rollout(value: Mapping[str, Any]) -> Rollout:
    return Rollout(
        number=int(value["number"]),
        release=ReleaseId(value["release"]),
        digest=Digest(value["digest"]),
        speed=Speed(value["speed"]),
        policy=_policy(value["policy"]),
        actor=str(value["actor"]),
        onto=_release(value["onto"]),
        before=_target(value["before"]),
        stage=Stage(value["stage"]),
        queued_s=float(value["queued_s"]),
        started_s=float(value["started_s"]),
        step_started_s=float(value["step_started_s"]),
        deadline_s=float(value["deadline_s"]),
        feed=str(value["feed"]),
        reason=str(value["reason"]),
        straight=Basis(value["straight"]) if value["straight"] else None,
        forced=bool(value["forced"]),
        wave=int(value["wave"]),
        step=int(value["step"]),
        members=_names(value["members"]),
        aside=_names(value["aside"]),
        committed=_names(value["committed"]),
        first_generation=Generation(int(value["first_generation"])),
        step_generation=Generation(int(value["step_generation"])),
        passed=tuple(_pass(entry) for entry in value["passed"]),
        paused=Pause(**value["paused"]) if value["paused"] else None,
        held=Hold(**value["held"]) if value["held"] else None,
        resumed_by=str(value["resumed_by"]),
        compared=bool(value.get("compared", True)),
        ended_s=None if value["ended_s"] is None else float(value["ended_s"]),
        outcome=str(value["outcome"]),
    )


def _policy(value: Mapping[str, Any]) -> RolloutPolicy:
    return RolloutPolicy(
        steps=tuple(Step(**step) for step in value["steps"]),
        waves=tuple(Wave(**wave) for wave in value["waves"]),
        taste_deadline_s=float(value["taste_deadline_s"]),
        bake_s=float(value["bake_s"]),
        without_traffic=WithoutTraffic(value["without_traffic"]),
        baseline=bool(value["baseline"]),
    )


def _target(value: Mapping[str, Any] | None) -> Target | None:
    if value is None:
        return None
    return Target(
        release=ReleaseId(value["release"]),
        digest=Digest(value["digest"]),
        bake_s=float(value["bake_s"]),
        feed=str(value["feed"]),
        base=_release(value["base"]),
        unproven=bool(value.get("unproven", False)),
    )


def _pass(value: Mapping[str, Any]) -> Pass:
    return Pass(
        wave=int(value["wave"]),
        step=int(value["step"]),
        basis=Basis(value["basis"]),
        text=str(value["text"]),
        at_s=float(value["at_s"]),
        generation=Generation(int(value["generation"])),
    )


def _names(values: list[str]) -> tuple[NodeName, ...]:
    return tuple(NodeName(str(value)) for value in values)


def _release(value: str | None) -> ReleaseId | None:
    return None if value is None else ReleaseId(value)
