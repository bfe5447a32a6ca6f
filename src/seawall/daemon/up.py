"""`seawall up`: the parent process that keeps control, the node agent and so the edge running.

It decides nothing about traffic: it starts two children, starts them again when they end, and
stops everything on Ctrl-C. It stays small on purpose (standard library only), because it must
outlive whatever happens to the rest. When this process ends without stopping them, killed outright
or told to leave (SIGUSR1), the children see their pipe close and end, Envoy serves on, and the next
`seawall up` adopts that Envoy.

What the operator reads while starting (problems, progress, addresses) is written by a third,
short-lived process, `seawall.daemon.ready`, so that its libraries are gone when it ends.
"""

import argparse
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Final

from seawall import limits
from seawall.daemon.children import Child, ended_how, reap_strangers
from seawall.daemon.manager import tell_manager
from seawall.daemon.processes import (
    LEAVE,
    START_BROKE,
    Process,
    RunFile,
    envoys,
    lock_data_dir,
    no_process,
    prepare_data_dir,
    read_run_file,
    stop_signals,
    writing,
)
from seawall.daemon.standin import copy, remove, served
from seawall.daemon.telling import Telling
from seawall.daemon.voice import STDERR, STDOUT, Voice, hold_standard_files
from seawall.errors import SeawallError
from seawall.exit_codes import DONE, REFUSED, exit_code
from seawall.files import write_error

_POLL_S: Final = 0.05

_monotonic_s = time.monotonic  # noqa: TID251 - seawall.clock brings asyncio into this process


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code."""
    hold_standard_files()
    options = _parser().parse_args(argv)
    supervisor = Supervisor(
        config=Path(options.config).absolute(),
        data_dir=Path(options.data_dir).absolute(),
        api=options.api,
        concurrency=options.concurrency,
        resolv_conf=options.resolv_conf,
        json_output=options.format == "json",
    )
    try:
        return supervisor.run()
    except SeawallError as error:
        supervisor.say_error(error)
        return exit_code(error)


class Supervisor:
    """Parent of control and node for one data directory."""

    def __init__(
        self,
        *,
        config: Path,
        data_dir: Path,
        api: str = "",
        concurrency: int = 0,
        resolv_conf: str = "",
        json_output: bool = False,
    ) -> None:
        self._config = config
        self._locks: list[int] = []
        self._work_in(data_dir)
        self._api = api
        self._concurrency = concurrency
        self._resolv_conf = resolv_conf
        self._json = json_output
        self._voice = Voice(STDOUT)
        self._complaints = Voice(STDERR)
        self._stops = 0
        self._leaving = False
        self._wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._children: list[Child] = []
        self._ready: Telling | None = None

    def _work_in(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._run_dir = data_dir / "run"
        self._run_file = RunFile(self._run_dir / "up.json")

    def run(self) -> int:
        """Start, keep running, stop.

        Raises:
            UsageError: the data directory cannot be used.
            ConflictError: another supervisor runs on it.
            UnreachableError: it cannot be written.
        """
        self._take(self._data_dir)
        try:
            self._say_that_it_runs()
            self._catch_signals()
            self._end_leftovers()
            return self._supervise()
        finally:
            self._run_file.remove()
            if not envoys(self._data_dir):
                remove(self._data_dir)
            for lock in self._locks:
                os.close(lock)

    def _take(self, data_dir: Path) -> None:
        prepare_data_dir(data_dir)
        with writing(data_dir):
            self._locks.append(lock_data_dir(data_dir))

    def _work_in_a_copy(self, why: OSError) -> None:
        original = self._data_dir
        self._work_in(copy(original))
        self._take(self._data_dir)
        with writing(self._data_dir):
            if (error := self._run_file.tell(os.getpid())) is not None:
                raise error
        self._warn(
            "data-dir-copied",
            f"The data directory {original} accepts no new files: {why.strerror}. Seawall works "
            f"on a copy in memory, {self._data_dir}, instead: new releases and records are lost "
            "when it stops.",
            "Make the disk writable again (`df -i` and the kernel's log show what is wrong), "
            "then restart Seawall.",
        )

    def _say_that_it_runs(self) -> None:
        """Go on where that cannot be written, as long as there is something to serve.

        Raises:
            UnreachableError: it cannot, and nothing was ever served from here.
        """
        error = self._run_file.tell(os.getpid())
        if error is None:
            return
        with writing(self._data_dir):
            if not served(self._data_dir):
                raise error
        if write_error(self._run_dir, b"") is not None:  # not even an empty file, and no socket
            self._work_in_a_copy(error)
            return
        self._warn(
            "data-dir-not-written",
            f"The data directory {self._data_dir} cannot be written: {error.strerror}. The node "
            "still serves its stored release. Access records and logs are lost, and a new "
            "release may be refused.",
            "Free some space there. No restart is needed: `seawall status` shows when it is well.",
        )

    def say_error(self, error: SeawallError) -> None:
        """Print an error in the words (or the JSON) that every command uses."""
        if self._json:
            self._write(
                {
                    "event": "error",
                    "error": {
                        "code": error.code,
                        "message": error.message,
                        "remedy": error.remedy,
                    },
                }
            )
            return
        remedy = f"  do:    {error.remedy}\n" if error.remedy else ""
        self._complaints.say(f"error: {error.message} [{error.code}]\n{remedy}")

    def _supervise(self) -> int:
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        with os.fdopen(read_end, "rb", 0) as followed, os.fdopen(write_end, "wb", 0) as lifeline:
            try:
                self._children = self._make_children(followed.fileno())
                self._mind_children(_monotonic_s())
                self._start_ready()
                code = self._watch()
            except BaseException:
                self._stop(quick=True)
                raise
            if self._leaving and not self._stops:
                self._leave(lifeline)
            else:
                self._stop(quick=code != DONE)
            return code

    def _make_children(self, parent_fd: int) -> list[Child]:
        # The node agent comes first: it is the one to stop first, and it needs nobody to serve.
        node = ["--concurrency", str(self._concurrency)] if self._concurrency else []
        if self._resolv_conf:
            node += ["--resolv-conf", self._resolv_conf]
        control = ["--config", os.fspath(self._config)]
        if self._api:
            control += ["--api", self._api]
        return [
            Child("node", self._data_dir, parent_fd, node),
            Child("control", self._data_dir, parent_fd, control),
        ]

    def _start_ready(self) -> None:
        try:
            self._ready = Telling(self._config, self._data_dir, json_output=self._json)
        except OSError as error:
            if not self._goes_on_untold(f"not started: {error.strerror}"):
                raise no_process(error) from error
            tell_manager("READY=1")

    def _watch(self) -> int:
        """Keep the children running until told to stop, or until starting has failed."""
        while not (self._stops or self._leaving):
            now_s = _monotonic_s()
            self._voice.go_on()
            self._complaints.go_on()
            self._run_file.tell_again()
            self._mind_children(now_s)
            if self._ready is not None and self._ready.says_that_it_serves():
                tell_manager("READY=1")  # what is being released may take longer than it waits
            if self._ready is not None and (code := self._ready.ended()) is not None:
                self._ready = None
                if code > 0 and code != START_BROKE:
                    return code
                if code and not self._goes_on_untold(ended_how(code)):
                    return REFUSED
                tell_manager("READY=1")
            reap_strangers(self._own_pids())
            due = (child.due_in_s(now_s) for child in self._children)
            self._sleep(min((s for s in due if s is not None), default=limits.SUPERVISOR_TICK_S))
        return DONE

    def _mind_children(self, now_s: float) -> None:
        """Start those that do not run; a machine that has no process to give is asked again."""
        for child in self._children:
            if happened := child.tick(now_s):
                self._say("child-ended", happened, part=child.name)

    def _goes_on_untold(self, how: str) -> bool:
        """Whether something serves, although what tells of the start has ended so."""
        if not envoys(self._data_dir):
            return False
        self._warn(
            "start-untold",
            f"Start-up reporting ended ({how}), probably for lack of memory. Envoy serves on.",
            "See `seawall status`. If the site file is not released yet: `seawall apply`.",
        )
        return True

    def _own_pids(self) -> set[int]:
        pids = {child.pid for child in self._children if child.pid is not None}
        return pids | ({self._ready.pid} if self._ready is not None else set())

    def _stop(self, *, quick: bool) -> None:
        """End every part, Envoy last of the node's; bounded in time; nothing is left behind."""
        self._say("stopping", "Stopping: open requests may finish. Ctrl-C again stops at once.")
        tell_manager("STOPPING=1")
        self._end_ready()
        began_s, stops_seen = _monotonic_s(), self._stops
        limit_s = limits.STOP_TIMEOUT_S
        for child in self._children:
            child.ask_to_stop()
            if quick:
                child.ask_to_stop()
            while not child.stopped():
                if self._stops > stops_seen or quick:
                    stops_seen, quick = self._stops, False
                    began_s, limit_s = _monotonic_s(), limits.STOP_NOW_TIMEOUT_S
                    child.ask_to_stop()
                if _monotonic_s() - began_s > limit_s:
                    child.kill()
                    break
                self._sleep(_POLL_S)
        self._end_envoy()
        self._remove_sockets()
        self._say("stopped", "Stopped.")

    def _leave(self, lifeline: BinaryIO) -> None:
        """End every part but the Envoy that serves, which the next supervisor takes over."""
        self._say("leaving", "Stopping; Envoy serves on, and the next start takes it over.")
        tell_manager("STOPPING=1")
        self._end_ready()
        lifeline.close()
        deadline_s = _monotonic_s() + limits.LEAVE_TIMEOUT_S
        for child in self._children:
            while not child.stopped():
                if self._stops or _monotonic_s() > deadline_s:
                    child.kill()
                    break
                self._sleep(_POLL_S)
        self._say("left", "Left.")

    def _end_ready(self) -> None:
        if self._ready is not None:
            self._ready.kill()

    def _end_envoy(self) -> None:
        """End what Envoy of this data directory still runs, when no agent was there to do it."""
        self._end(envoys(self._data_dir), limits.STOP_NOW_TIMEOUT_S)

    def _end_leftovers(self) -> None:
        """Wait for the children of a supervisor that was killed; they end by themselves."""
        found = (read_run_file(self._run_dir / f"{name}.json") for name in ("node", "control"))
        leftovers = [process for process in found if process is not None]
        deadline_s = _monotonic_s() + limits.LEFTOVER_TIMEOUT_S
        while any(p.alive() for p in leftovers) and _monotonic_s() < deadline_s:
            self._sleep(_POLL_S)
        # SIGKILL: an agent that is asked politely would take the serving Envoy down with it.
        for process in leftovers:
            process.send(signal.SIGKILL)

    def _end(self, processes: Sequence[Process], wait_s: float) -> None:
        for process in processes:
            process.send(signal.SIGTERM)
        deadline_s = _monotonic_s() + wait_s
        while any(p.alive() for p in processes) and _monotonic_s() < deadline_s:
            self._sleep(_POLL_S)
        for process in processes:
            process.send(signal.SIGKILL)

    def _remove_sockets(self) -> None:
        for pattern in ("control.sock", "node/xds.sock", "node/*/admin.sock"):
            for path in self._data_dir.glob(pattern):
                with suppress(OSError):
                    path.unlink(missing_ok=True)

    def _catch_signals(self) -> None:
        signal.set_wakeup_fd(self._wakeup[1], warn_on_full_buffer=False)
        for signum in stop_signals():
            signal.signal(signum, self._on_stop_signal)
        signal.signal(LEAVE, self._on_leave_signal)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        # Whoever started us may have blocked them, and our children would have it from us.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def _on_stop_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self._stops += 1

    def _on_leave_signal(self, _signum: int, _frame: FrameType | None) -> None:
        self._leaving = True

    def _sleep(self, duration_s: float) -> None:
        """Wait, but wake up for any signal."""
        readable, _, _ = select.select([self._wakeup[0]], [], [], duration_s)
        if readable:
            with suppress(BlockingIOError):
                os.read(self._wakeup[0], 4096)

    def _warn(self, event: str, text: str, remedy: str) -> None:
        if self._json:
            self._write({"event": event, "message": text, "remedy": remedy})
            return
        self._complaints.say(f"warning: {text}\n  do:  {remedy}\n")

    def _say(self, event: str, text: str, **fields: str) -> None:
        if self._json:
            self._write({"event": event, "message": text, **fields})
            return
        self._voice.say(text + "\n")

    def _write(self, record: dict[str, object]) -> None:
        self._voice.say(json.dumps(record) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seawall up", allow_abbrev=False)
    parser.add_argument("--config", required=True)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--api", default="")
    parser.add_argument("--concurrency", type=int, default=0)
    parser.add_argument("--resolv-conf", default="")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    return parser


if __name__ == "__main__":
    sys.exit(main())
