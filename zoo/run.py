"""Makes a data set: performs batches against a running edge, and writes what happened."""

import contextlib
import json
import os
import queue
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from zoo.catalogue import Batch, Planned
from zoo.drivers import DRIVERS, WORKERS
from zoo.edge import HOST
from zoo.forward import Forwarder
from zoo.kinds import Session
from zoo.plan import BEHAVIOURS, steps
from zoo.prepare import Tools

_LINGER_S = 5.0
"""A port stays open this long after its session, for what a browser sends as it ends."""
_NICENESS = 5


@dataclass(frozen=True)
class Place:
    """What a batch is performed with.

    Attributes:
        folder: of `prepare.trust`.
        environment: of the drivers.
        deadline_s: no batch starts after it, and none outlives it by more than a minute.
        crew: the drivers that run.
    """

    forwarder: Forwarder
    tools: Tools
    folder: Path
    authority: Path
    environment: dict[str, str]
    deadline_s: float
    crew: "Crew"


class Crew:
    """The drivers that run now, so that all of them can be ended. Safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self.ended = False

    def start(self, command: list[str], place: Place) -> "subprocess.Popen[str]":
        """Start a driver.

        Raises:
            InterruptedError: the crew has been ended.
        """
        with self._lock:
            if self.ended:
                raise InterruptedError("the run was stopped")
            process = subprocess.Popen(
                command,
                env=place.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                cwd=place.folder,
            )
            self._running.add(process)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PGRP, process.pid, _NICENESS)
        return process

    def dismiss(self, process: "subprocess.Popen[str]") -> None:
        """End a driver and what it left behind."""
        _kill(process)
        with self._lock:
            self._running.discard(process)

    def end(self) -> None:
        """End all drivers; none starts afterwards."""
        with self._lock:
            self.ended = True
            running = list(self._running)
        for process in running:
            _kill(process)


Told = Callable[[Batch, list[Session]], None]


def perform_all(batches: list[Batch], place: Place, told: Told) -> int:
    """Perform the batches, lane by lane, until they or the time are over.

    Args:
        batches: in order.
        place: where.
        told: called after each batch, from several threads, one at a time.

    Returns:
        Batches that were not started before the deadline, or before Ctrl-C.
    """
    lanes: dict[str, queue.SimpleQueue[Batch]] = {name: queue.SimpleQueue() for name in WORKERS}
    for batch in batches:
        lanes[batch.lane].put(batch)
    lock = threading.Lock()

    def work(waiting: "queue.SimpleQueue[Batch]") -> None:
        while time.time() < place.deadline_s and not place.crew.ended:
            try:
                batch = waiting.get_nowait()
            except queue.Empty:
                return
            sessions = perform(batch, place)
            with lock:
                told(batch, sessions)

    threads = [
        threading.Thread(target=work, args=(lanes[lane],), daemon=True)
        for lane, count in workers({batch.lane for batch in batches}).items()
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:  # what was made so far is a data set too
        place.crew.end()
        for thread in threads:
            thread.join()
    return sum(waiting.qsize() for waiting in lanes.values())


def workers(busy: Iterable[str]) -> dict[str, int]:
    """Workers of each busy lane: those of idle lanes help, as evenly as they can."""
    found = {lane: WORKERS[lane] for lane in sorted(busy)}
    idle = sum(WORKERS.values()) - sum(found.values())
    return {
        lane: count + idle // len(found) + (number < idle % len(found))
        for number, (lane, count) in enumerate(found.items())
    }


def perform(batch: Batch, place: Place) -> list[Session]:
    """One batch; every session of it is in the answer, with its problem if it had one."""
    configuration, driver = batch.configuration, DRIVERS[batch.configuration.driver]
    ports = {planned.session: place.forwarder.open(planned.address) for planned in batch.sessions}
    jobs = [_job(batch, planned, ports[planned.session]) for planned in batch.sessions]
    text = json.dumps(
        {
            "jobs": jobs,
            "options": configuration.options,
            "authority": str(place.authority),
            "cache": str(place.folder),
        }
    )
    names = {"{python}": str(place.tools.python), "{node}": str(place.tools.node)}
    command = [part for word in driver.command for part in (_filled(word, names),)]
    started_s = time.time()
    limit_s = min(driver.session_s * len(jobs), max(1.0, place.deadline_s + 60 - started_s))
    said, problem = _run(command, text, place, limit_s)
    lines = {line["session"]: line for line in said}
    sessions = [
        _session(batch, planned, lines.get(planned.session), problem, started_s)
        for planned in batch.sessions
    ]
    closing = threading.Timer(_LINGER_S, place.forwarder.close, (*ports.values(),))
    closing.daemon = True
    closing.start()
    return sessions


def _job(batch: Batch, planned: Planned, port: int) -> dict[str, object]:
    base = f"https://{HOST}:{port}"
    wanted = (
        steps(batch.configuration, planned.behaviour, random.Random(planned.seed), base)
        if planned.behaviour in BEHAVIOURS
        else ()
    )
    return {
        "session": planned.session,
        "base": base,
        "seed": planned.seed,
        "cookies": planned.cookies,
        "steps": [
            {
                "method": s.method,
                "path": s.path,
                "pause_s": s.pause_s,
                "headers": s.headers,
                "body": s.body,
            }
            for s in wanted
        ],
    }


def _filled(word: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        word = word.replace(name, value)
    return word


def _run(
    command: list[str], text: str, place: Place, limit_s: float
) -> "tuple[list[dict[str, object]], str]":
    try:
        process = place.crew.start(command, place)
    except InterruptedError as error:
        return [], str(error)
    problem = ""
    try:
        output, errors = process.communicate(text, timeout=limit_s)
        problem = errors.strip().split("\n")[-1][:200] if process.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"took longer than {limit_s:.0f} s"
        _kill(process)
        output, _ = process.communicate()
    finally:
        place.crew.dismiss(process)
    return list(_lines(output)), problem


def _kill(process: "subprocess.Popen[str]") -> None:
    """End what the driver left behind, browsers in groups of their own too."""
    left: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        left = psutil.Process(process.pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in left:
        with contextlib.suppress(psutil.Error):
            child.kill()


def _lines(output: str) -> "Iterator[dict[str, object]]":
    for line in output.split("\n"):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and "session" in found:
                yield found


def _session(
    batch: Batch, planned: Planned, line: "dict[str, object] | None", problem: str, started_s: float
) -> Session:
    configuration = batch.configuration
    made = Session(
        session=planned.session,
        address=planned.address,
        configuration=configuration.name,
        family=configuration.family,
        label=configuration.label.value,
        kind=configuration.kind.value,
        behaviour=planned.behaviour,
        requests=0,
        start_s=started_s,
        problem=problem or "the driver did not report it",
    )
    if line is None:
        return made
    return replace(
        made,
        requests=int(str(line["requests"])),
        start_s=float(str(line["start_s"])),
        problem=" ".join(str(line["problem"]).split()),
    )
