"""One run of one job, as a process of its own: `python -m seawall.daemon.job`, an order on stdin.

It stands back for everything else on the machine, has a bound on its memory, and dies with the
control process that started it. It tells its steps and at last its outcome as lines of JSON. What
it wants released it pushes over control's socket, as an operator would.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

from seawall import limits, phrases
from seawall.api.client import Client
from seawall.api.range_feeds import RELEASED, WAITS, Feeds, last_of, renew_feeds
from seawall.api.views import ApplyEvent
from seawall.clock import Clock, SystemClock
from seawall.daemon.job_retrain import DATABASE_VARIABLE, retrain
from seawall.errors import ConflictError, InternalError, SeawallError, UnreachableError
from seawall.jobs.memory import Ending, Outcome
from seawall.model.jobs import JobName, Retraining
from seawall.verify.renewing import Fetched, World, real_world

_PR_SET_PDEATHSIG: Final = 1
_AUTHOR: Final = "ranges"
_OOM_FIRST: Final = "1000"
_BROKEN: Final = (UnreachableError, ConflictError, InternalError)
"""Errors that say nothing about the data: another try may go well."""


def main(make_world: Callable[[], World] = real_world) -> int:
    """Carry out the order of standard input; always 0, since the outcome is told in words.

    Args:
        make_world: where published ranges are fetched from; tests have one of their own.
    """
    order = json.loads(sys.stdin.buffer.read())
    teller = Teller(os.fdopen(os.dup(1), "wb"), SystemClock())
    os.dup2(2, 1)  # whatever prints by mistake must not break a line
    _confine(order["parent"])
    teller.end(_carried_out(order, teller, make_world))
    return 0


class Teller:
    """Tells a run's steps and its outcome.

    Args:
        stream: to control.
        clock: bounds how often a step is told.
    """

    def __init__(self, stream: BinaryIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._step = ""
        self._told_s = 0.0

    def tell(self, step: str, done: int, of: int) -> None:
        """How far a step is; `of` is 0 when nobody knows."""
        now_s = self._clock.monotonic_s()
        if step != self._step or now_s - self._told_s >= limits.JOB_TELL_S:
            self._step, self._told_s = step, now_s
            self._write({"step": step, "done": done, "of": of})

    def end(self, outcome: Outcome) -> None:
        """The last line."""
        self._write(asdict(outcome))

    def _write(self, value: object) -> None:
        self._stream.write(json.dumps(value).encode() + b"\n")
        self._stream.flush()


def _carried_out(order: Any, teller: Teller, make_world: Callable[[], World]) -> Outcome:
    """What the run comes to, whatever happens in it."""
    data_dir = Path(order["data_dir"])
    try:
        _require_thaw(data_dir)
        if order["job"] == JobName.RETRAIN:
            return retrain(
                data_dir,
                _retraining(order["settings"]),
                SystemClock(),
                teller.tell,
                database=os.environ.get(DATABASE_VARIABLE, ""),
            )
        return _ranges(data_dir, make_world(), teller)
    except SeawallError as error:
        ending = Ending.FAILED if isinstance(error, _BROKEN) else Ending.REFUSED
        return Outcome(ending, error.code, error.message, error.remedy)
    except MemoryError:
        words = f"It needs more than {limits.JOB_MEMORY_BYTES_MAX / limits.GIB:.0f} GiB of memory."
        remedy = "Train by hand on fewer records; see docs/bot-training.md."
        return Outcome(Ending.FAILED, "job-out-of-memory", words, remedy)
    except OSError as error:
        words = f"A file or a disk cannot be used: {error.strerror or error}."
        remedy = "Free some space below the data directory, and check who owns it."
        return Outcome(Ending.FAILED, "job-disk", words, remedy)


def _require_thaw(data_dir: Path) -> None:
    """Do no work for nothing.

    Raises:
        ConflictError: no release may start now.
        UnreachableError: control does not answer.
    """
    with Client.for_data_dir(data_dir) as client:
        frozen = client.rollouts().frozen
    if frozen is not None:
        raise ConflictError(
            "frozen",
            phrases.frozen(frozen.actor, frozen.reason),
            remedy="`seawall unfreeze` lifts the freeze; Seawall retries the job automatically.",
        )


def _retraining(settings: Any) -> Retraining:
    """The settings, whose tuples became lists on the way."""
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }
    return Retraining(**plain)


def _ranges(data_dir: Path, world: World, teller: Teller) -> Outcome:
    """Renew the lists of the current release, as `seawall bots fetch-ranges --push` does."""
    with Client.for_data_dir(data_dir) as client:

        def push(name: str, content: bytes, message: str) -> Iterator[ApplyEvent]:
            return client.push_feed(name, content, author=_AUTHOR, message=message)

        feeds = Feeds(client, push, last_of)
        return _told(renew_feeds(world, client, (), feeds, told=teller.tell))


def _told(lists: list[Fetched]) -> Outcome:
    alarms = [one.alarm for one in lists if one.alarm]
    released = [one.name for one in lists if one.state == RELEASED]
    waits = [one.name for one in lists if one.state == WAITS]
    told = [f"New releases: {', '.join(released)}."] if released else []
    told += [f"Pushed, to be released as soon as possible: {', '.join(waits)}."] if waits else []
    words = " ".join(told) or "Nothing is new."
    if alarms:
        return Outcome(
            Ending.FAILED,
            "bot-ranges-kept",
            f"{len(alarms)} of {len(lists)} lists were left unchanged: {'; '.join(alarms)}",
            "The lists in use stay in use, and the next run tries again. If the operator has "
            "really changed its ranges, check what it publishes and push the list by hand.",
        )
    ending = Ending.RELEASED if released else Ending.UNCHANGED
    fetched = "1 list was" if len(lists) == 1 else f"{len(lists)} lists were"
    code = "bot-ranges-wait" if waits and not released else f"bot-ranges-{ending}"
    return Outcome(ending, code, f"{fetched} fetched. {words}")


def _confine(parent: int) -> None:
    """Stand back, take a bounded memory, and never outlive control."""
    os.nice(limits.JOB_NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_FIRST)
    _, hardest = resource.getrlimit(resource.RLIMIT_DATA)
    bound = limits.JOB_MEMORY_BYTES_MAX
    lowered = bound if hardest == resource.RLIM_INFINITY else min(bound, hardest)
    resource.setrlimit(resource.RLIMIT_DATA, (lowered, hardest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(1)  # control ended before it could be watched


if __name__ == "__main__":
    sys.exit(main())
