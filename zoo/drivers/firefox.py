"""Firefox driven over Marionette, its own remote protocol, and Chromium from the command line.

Marionette speaks JSON arrays, each with its length and a colon before it, over TCP. The standard
library is enough for both.
"""

import contextlib
import json
import random
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from zoo.drivers.common import Work, play

FIREFOX, CHROMIUM = "firefox-esr", "/usr/bin/chromium"
_START_S, _TIMEOUT_S = 30, 40
_BEACON_S = 0.4


def main() -> None:
    """Perform sessions with the engine that the options name."""
    engines = {"marionette": marionette, "command line": command_line}
    play(lambda work: engines[str(work.options["engine"])](work), side_by_side=1)


class Marionette:
    """A session with a Firefox that was started with `-marionette`."""

    def __init__(self, port: int) -> None:
        self._socket = _connected(port)
        self._number = 0
        self._read()
        self.ask("WebDriver:NewSession", {"strictFileInteractability": True})

    def close(self) -> None:
        """End the connection; Firefox runs on."""
        self._socket.close()

    def ask(self, command: str, parameters: dict[str, Any] | None = None) -> Any:
        """The result of a command.

        Raises:
            RuntimeError: Firefox refused it.
        """
        self._number += 1
        text = json.dumps([0, self._number, command, parameters or {}])
        self._socket.sendall(f"{len(text)}:{text}".encode())
        _, _, error, result = self._read()
        if error:
            raise RuntimeError(f"{command}: {error.get('message')}")
        return result

    def _read(self) -> Any:
        size = b""
        while not size.endswith(b":"):
            size += self._received(1)
        return json.loads(self._received(int(size[:-1])))

    def _received(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise OSError("Firefox closed the connection")
            parts += part
        return parts


def marionette(work: Work) -> int:
    """Pages in Firefox, one process for the session."""
    profile = tempfile.mkdtemp(prefix="zoo-firefox-")
    template = Path(work.cache) / "firefox"
    shutil.copytree(template, profile, dirs_exist_ok=True)
    port = _free_port()
    with (Path(profile) / "user.js").open("a") as preferences:
        preferences.write(f'user_pref("marionette.port", {port});\n')
    command = [FIREFOX, "-marionette", "-no-remote", "-profile", profile]
    command += ["-headless"] if work.options.get("headless") else []
    browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    chance = random.Random(work.seed)
    try:
        with contextlib.closing(Marionette(port)) as driver:
            return _pages(driver, work, chance)
    finally:
        browser.terminate()
        try:
            browser.wait(10)
        except subprocess.TimeoutExpired:
            browser.kill()
        shutil.rmtree(profile, ignore_errors=True)


def _pages(driver: Marionette, work: Work, chance: random.Random) -> int:
    for number, step in enumerate(work.steps):
        time.sleep(step["pause_s"])
        if number and chance.random() < 0.4:
            found = driver.ask(
                "WebDriver:FindElement", {"using": "css selector", "value": ".tiles a"}
            )
            driver.ask("WebDriver:ElementClick", {"id": next(iter(found["value"].values()))})
        else:
            driver.ask("WebDriver:Navigate", {"url": work.base + step["path"]})
        time.sleep(_BEACON_S)
    return len(work.steps)


def command_line(work: Work) -> int:
    """`chromium --headless` with a screenshot or the page's text, once for each page."""
    for step in work.steps:
        time.sleep(step["pause_s"])
        with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
            what = "--screenshot=shot.png" if work.seed % 2 else "--dump-dom"
            subprocess.run(
                [
                    CHROMIUM,
                    "--headless",
                    "--no-sandbox",
                    f"--user-data-dir={folder}/profile",
                    what,
                    work.base + step["path"],
                ],
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=_TIMEOUT_S,
            )
    return len(work.steps)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _connected(port: int) -> socket.socket:
    deadline_s = time.monotonic() + _START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), _TIMEOUT_S)
        except OSError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
