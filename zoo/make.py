"""Makes one data set, from nothing to the three files, with progress on the console."""

import collections
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from zoo import dataset, prepare
from zoo.catalogue import ALL, Batch, chosen, full, schedule
from zoo.drivers import WORKERS
from zoo.edge import Edge, records, running_edge
from zoo.forward import running_forwarder
from zoo.kinds import Configuration, Session
from zoo.run import Crew, Place, perform_all
from zoo.screen import running_screen
from zoo.site import running_site

_QUIET_S, _QUIET_S_MAX, _POLL_S = 2.5, 15.0, 0.25
"""The records are whole when none has come for so long; browsers send a little as they end."""


@dataclass(frozen=True)
class Order:
    """What data set is wanted.

    Attributes:
        folder: made; an existing data set in it is refused.
        minutes: no batch starts later.
        scale: share of a full set.
        only: words of which a client's name must hold one, or which are its class or its driver;
            empty: all clients.
        sessions: about so many, whatever the scale; None: as the scale says.
        site: further lines of the site in the site file, indented by four.
    """

    folder: Path
    minutes: float
    scale: float
    seed: int
    only: tuple[str, ...] = ()
    sessions: int | None = None
    site: str = ""


def make(console: Console, tools: prepare.Tools, order: Order) -> bool:
    """Make the data set; False when there is nothing to make it with."""
    if (order.folder / dataset.SESSIONS).exists():
        console.print(f"{order.folder} holds a data set already; name another folder.")
        return False
    wanted = [c for c in ALL if chosen(c, order.only)]
    for problem in prepare.install(wanted, tools):
        console.print(f"[yellow]{problem}[/]")
    lacks = prepare.missing(wanted, tools)
    able = [c for c in wanted if c.name not in lacks]
    _say_missing(console, wanted, lacks)
    if not able:
        console.print("No client can run here.")
        return False
    order.folder.mkdir(parents=True, exist_ok=True)
    scale = order.scale if order.sessions is None else order.sessions / full(able)
    batches = schedule(able, scale, order.seed)
    started_s = time.time()
    sessions, left, count = _perform(console, tools, order, batches)
    dataset.write_sessions(order.folder, sessions)
    dataset.write_halves(order.folder, sessions)
    about = {
        "seed": order.seed,
        "scale": scale,
        "minutes": order.minutes,
        "took_s": round(time.time() - started_s),
        "started_s": round(started_s),
        "sessions": len(sessions),
        "records": count,
        "batches_not_started": left,
        "left_out": {name: list(needs) for name, needs in lacks.items()},
        "versions": dict(prepare.versions(tools)),
    }
    dataset.write_about(order.folder, about)
    _say_end(console, sessions, count, left)
    return True


def _perform(
    console: Console, tools: prepare.Tools, order: Order, batches: list[Batch]
) -> tuple[list[Session], int, int]:
    sessions: list[Session] = []
    work = order.folder / "work"
    bar = Progress(
        TextColumn("{task.description:10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("sessions"),
        TimeElapsedColumn(),
        console=console,
    )
    with (
        running_site() as origin,
        running_edge(work / "edge", origin, order.site) as edge,
        running_forwarder(edge.port) as forwarder,
        running_screen() as display,
    ):
        folder = (work / "clients").resolve()
        authority = folder / "authority.pem"
        folder.mkdir(parents=True)
        shutil.copy(edge.authority, authority)
        prepare.trust(folder, authority, tools)
        environment = prepare.environment(folder, authority, display)
        deadline_s = time.time() + order.minutes * 60
        place = Place(forwarder, tools, folder, authority, environment, deadline_s, Crew())
        with bar:
            tasks = {
                lane: bar.add_task(
                    lane, total=sum(len(b.sessions) for b in batches if b.lane == lane)
                )
                for lane in WORKERS
            }

            def told(batch: Batch, done: list[Session]) -> None:
                sessions.extend(done)
                dataset.write_sessions(order.folder, sessions)  # so that a cut run is not lost
                bar.advance(tasks[batch.lane], len(done))

            left = perform_all(batches, place, told)
        _wait_quiet(edge)
        count = dataset.write_records(order.folder, records(edge))
    return _checked(order.folder, sessions), left, count


def _wait_quiet(edge: Edge) -> None:
    before, changed_s = -1, time.monotonic()
    deadline_s = changed_s + _QUIET_S_MAX
    while time.monotonic() < min(deadline_s, changed_s + _QUIET_S):
        size = sum(file.stat().st_size for file in edge.access.glob("access.ndjson*"))
        if size != before:
            before, changed_s = size, time.monotonic()
        time.sleep(_POLL_S)


def _checked(folder: Path, sessions: list[Session]) -> list[Session]:
    """Sessions that left no record say so: the report must not count them as seen."""
    arrived = collections.Counter(record.get("client") for record in dataset.read_records(folder))
    return [
        session
        if arrived[session.address]
        else replace(session, problem=f"{dataset.NO_RECORD}: {session.problem}".rstrip(": "))
        for session in sessions
    ]


def _say_missing(
    console: Console, wanted: list[Configuration], lacks: dict[str, tuple[str, ...]]
) -> None:
    if not lacks:
        return
    console.print(f"[yellow]{len(lacks)} of {len(wanted)} clients are left out, for want of:[/]")
    for need in sorted({need for needs in lacks.values() for need in needs}):
        without = [name for name, needs in lacks.items() if need in needs]
        console.print(f"  {prepare.how_to_get(need)}: {', '.join(without)}")


def _say_end(console: Console, sessions: list[Session], count: int, left: int) -> None:
    console.print(f"{len(sessions)} sessions, {count} records.")
    if left:
        console.print(f"[yellow]{left} batches were not started: the time was over.[/]")
    problems: dict[str, list[str]] = {}
    for session in sessions:
        if session.problem:
            problems.setdefault(session.configuration, []).append(session.problem)
    for name, said in sorted(problems.items()):
        console.print(f"[yellow]{len(said)} sessions of {name}: {said[0][:120]}[/]")
