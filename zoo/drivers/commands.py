"""Programs from Debian and compiled clients: one process for each request, or one for a session.

Options: `argv` holds a command, with `{url}`, `{base}`, `{host}`, `{port}`, `{path}`, `{ca}`,
`{python}`, `{dir}` (a fresh folder) and `{cache}` filled in; `env` likewise. With `once` it runs
for the first step alone; `host` is another name of the site. `header` is the flag that takes
a header. With `lines`, the process gets all steps on its standard input instead, one a line:
method, URL, pause in milliseconds, and headers separated by the unit separator, all tab-separated.
"""

import os
import subprocess
import sys
import tempfile
import time
from typing import Any
from urllib.parse import urlsplit

from zoo.drivers.common import Work, play

TIMEOUT_S = 60.0
_UNIT = "\x1f"


def main() -> None:
    """Perform sessions with the command that the options hold."""
    play(perform, side_by_side=4)


def perform(work: Work) -> int:
    """One session.

    Raises:
        RuntimeError: nothing came through.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        env = {
            name: _filled(text, work, "", folder)
            for name, text in work.options.get("env", {}).items()
        }
        environment = {**os.environ, "HOME": folder, "SSL_CERT_FILE": work.authority, **env}
        if work.options.get("lines"):
            return _lines(work, folder, environment)
        done, last = 0, ""
        for step in work.steps[: 1 if work.options.get("once") else None]:
            time.sleep(step["pause_s"])
            ended = subprocess.run(
                [*_command(work, step, folder)],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=TIMEOUT_S,
            )
            good = ended.returncode in work.options.get("codes", [0])
            done += good
            last = last if good else ended.stderr.decode(errors="replace")[-200:]
        if not done:
            raise RuntimeError(f"every call failed: {last}")
        return done


def _command(work: Work, step: dict[str, Any], folder: str) -> list[str]:
    argv = [_filled(str(part), work, str(step["path"]), folder) for part in work.options["argv"]]
    flag = work.options.get("header")
    if flag:
        for name, value in step["headers"]:
            argv += [f"{flag}{name}: {value}"] if flag.endswith("=") else [flag, f"{name}: {value}"]
    if step["body"] and "data" in work.options:
        argv += [work.options["data"], str(step["body"])]
    return argv


def _lines(work: Work, folder: str, environment: dict[str, str]) -> int:
    base = work.base.replace("//localhost:", f"//{work.options.get('host', 'localhost')}:")
    text = ""
    for step in work.steps:
        headers = _UNIT.join(f"{name}\x1e{value}" for name, value in step["headers"])
        pause_ms = int(step["pause_s"] * 1000)
        text += f"{step['method']}\t{base}{step['path']}\t{pause_ms}\t{headers}\n"
    ended = subprocess.run(
        [_filled(str(part), work, "", folder) for part in work.options["argv"]],
        cwd=folder,
        env=environment,
        input=text.encode(),
        capture_output=True,
        check=False,
        timeout=TIMEOUT_S * 5,
    )
    if ended.returncode:
        raise RuntimeError(ended.stderr.decode(errors="replace")[-200:])
    return len(work.steps)


def _filled(text: str, work: Work, path: str, folder: str) -> str:
    place = urlsplit(work.base)
    values = {
        "{url}": work.base + path,
        "{base}": work.base,
        "{host}": str(place.hostname),
        "{port}": str(place.port),
        "{path}": path,
        "{ca}": work.authority,
        "{python}": sys.executable,
        "{dir}": folder,
        "{cache}": work.cache,
    }
    for name, value in values.items():
        text = text.replace(name, value)
    return text


if __name__ == "__main__":
    main()
