"""The edge of a soak: `seawall up` on a directory of its own, commands beside it, and who dies."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bench.process import accepts

from seawall.api.client import Client
from seawall.api.status_views import StatusView
from seawall.clock import Clock
from seawall.daemon.processes import Process, envoys, start_ticks
from seawall.daemon.standin import place_of
from seawall.errors import SeawallError
from seawall.procfs import process_ids
from tools.soak.plan import Victim, picked
from tools.soak.promises import Answer

WORDS: Final[Mapping[Victim, str]] = MappingProxyType(
    {
        Victim.CONTROL: "seawall.daemon.control",
        Victim.NODE: "seawall.daemon.node",
        Victim.WORKBENCH: "seawall.api.workbench",
        Victim.TASTER: "control/taste",
    }
)
"""In the command line of each, or in the name of the place where it works."""
COMMAND_S_MAX: Final = 150.0
START_S_MAX: Final = 60.0
STOP_S_MAX: Final = 40.0
_POLL_S: Final = 0.3
_TOO_LATE: Final = -1
"""In place of an exit code: the command did not end."""
_SEAWALL: Final = (sys.executable, "-P", "-m", "seawall.cli.main")
_OFFERING: Final = "seawall.daemon.ready"
"""The part of `up` that offers the site file."""
_MARK: Final = re.compile(r'x-soak: "(n\d+)"')


@dataclass(slots=True)
class Edge:
    """One data directory, and who runs on it."""

    home: Path
    port: int
    clock: Clock
    process: "subprocess.Popen[bytes] | None" = None
    _marks: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The site file on disk."""
        return self.home / "seawall.yaml"

    @property
    def data_dir(self) -> Path:
        """Of `seawall up`."""
        return self.home / "data"

    @property
    def up_log(self) -> Path:
        """What `seawall up` says to whoever started it, each time one is started."""
        return self.home / "up.log"

    def start(self, *, serving: bool = False) -> bool:
        """Run `seawall up`; whether it answers in time, and serves where that is asked for."""
        with self.up_log.open("ab") as log:
            self.process = subprocess.Popen(
                [*_SEAWALL, "up", "--format", "json", *self._where(self.config)],
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        end_s = self.clock.monotonic_s() + START_S_MAX
        while self.clock.monotonic_s() < end_s:
            status = self.status()
            if status is not None and (not serving or status.state == "serving"):
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(_POLL_S)
        return False

    def ended(self) -> int | None:
        """The exit code of an `up` that nobody has killed; None while it runs."""
        return self.process.poll() if self.process is not None else None

    def stop(self) -> bool:
        """Ctrl-C; whether it ended in time, with 0."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(STOP_S_MAX) == 0
        return False

    def kill_up(self) -> None:
        """SIGKILL to the supervisor; its children notice by themselves."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def run(self, *words: str, config: Path | None = None) -> Answer:
        """A command to its end, or to that of our patience."""
        began_s = self.clock.monotonic_s()
        try:
            done = subprocess.run(
                [*_SEAWALL, *words, "--format", "json", *self._where(config or self.config)],
                cwd=self.home,
                capture_output=True,
                text=True,
                check=False,
                timeout=COMMAND_S_MAX,
            )
        except subprocess.TimeoutExpired:
            said = json.dumps({"code": f"no end in {COMMAND_S_MAX:.0f} s"})
            return Answer(words, _TOO_LATE, said, "", self.clock.monotonic_s() - began_s)
        took_s = self.clock.monotonic_s() - began_s
        return Answer(words, done.returncode, done.stdout, done.stderr, took_s)

    def status(self) -> StatusView | None:
        """What `seawall status` would show; None while nobody answers."""
        with contextlib.suppress(SeawallError), self._client() as client:
            return client.status()
        return None

    def offering(self) -> bool:
        """Whether an `up` that was started has not come to its end with the site file yet."""
        return bool(self._running(_OFFERING))

    def releases(self) -> list[tuple[str, str]]:
        """Ids of the newest releases, and where their rollouts stand; empty: nobody answers."""
        with contextlib.suppress(SeawallError), self._client() as client:
            return [(one.id, one.rollout or "") for one in client.releases().releases]
        return []

    def mark_of(self, release: str) -> str:
        """The mark of the site file of a release; empty when nobody answers."""
        if release not in self._marks:
            with contextlib.suppress(SeawallError), self._client() as client:
                self._marks[release] = marks_in(client.show(release).sources[0].content)
        return self._marks.get(release, "")

    def find(self, victim: Victim, pick: float) -> Process | None:
        """Who is to die; None when there is nobody of that kind just now."""
        if victim in WORDS:
            return picked(self._running(WORDS[victim]), pick)
        stable = self.stable()
        if victim is Victim.STABLE:
            return stable
        return picked([one for one in envoys(self.data_dir) if one != stable], pick)

    def stable(self) -> Process | None:
        """The Envoy that serves, also one that has just died; None when that is not known."""
        try:
            record = json.loads((self.data_dir / "node" / "stable" / "envoy.json").read_text())
            return Process(int(record["pid"]), int(record["start_ticks"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def envoys(self) -> int:
        """How many run."""
        return len(envoys(self.data_dir))

    def left(self) -> list[str]:
        """Who still runs or listens: for after the stop."""
        found = [f"process {one.pid}: {_command_line(one.pid)}" for one in self._running("")]
        return [*found, f"a listener on port {self.port}"] if accepts(self.port) else found

    def kill_all(self) -> None:
        """SIGKILL to everybody who works in the run's directory or was told of it."""
        for one in self._running(""):
            one.send(signal.SIGKILL)

    def logs(self) -> list[Path]:
        """What its parts wrote down."""
        places = (self.data_dir / "logs", self.data_dir / "node")
        return [file for place in places for file in place.rglob("*.*") if _is_log(file)]

    def remove(self) -> None:
        """Forget it."""
        shutil.rmtree(self.home, ignore_errors=True)

    def _running(self, word: str) -> list[Process]:
        home = os.fspath(self.home)
        found = []
        for pid in sorted(process_ids()):
            traits = f"{_command_line(pid)} {_place(pid)}"
            if pid == os.getpid() or home not in traits or word not in traits:
                continue
            if (ticks := start_ticks(pid)) is not None:
                found.append(Process(pid, ticks))
        return found

    def _client(self) -> Client:
        return Client.for_data_dir(place_of(self.data_dir))

    def _where(self, config: Path) -> tuple[str, ...]:
        return ("--config", str(config), "--data-dir", str(self.data_dir))


def marks_in(text: str) -> str:
    """The mark that a site file gives its answers; empty when it gives none."""
    found = _MARK.search(text)
    return found[1] if found else ""


def _is_log(path: Path) -> bool:
    return path.is_file() and path.suffix in {".log", ".out"}


def _command_line(pid: int) -> str:
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""


def _place(pid: int) -> str:
    try:
        return os.fspath(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""
