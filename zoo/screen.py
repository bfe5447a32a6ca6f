"""X screens: one that headed automation shares, as scrapers on a server do, one for each person."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

DESKTOP = (1920, 1080)
"""Width and height of the screen of automation, in pixels."""


@contextlib.contextmanager
def running_screen(width_px: int = DESKTOP[0], height_px: int = DESKTOP[1]) -> Iterator[str]:
    """The DISPLAY of a fresh Xvfb; nothing when there is no Xvfb, or it does not start."""
    if not shutil.which("Xvfb"):
        yield ""
        return
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [  # noqa: S607 - Xvfb is on PATH
            "Xvfb",
            "-displayfd",
            str(writing),
            "-screen",
            "0",
            f"{width_px}x{height_px}x24",
            "-nolisten",
            "tcp",
        ],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            number = told.readline().strip()
        yield f":{number}" if number else ""
    finally:
        server.terminate()
        server.wait(10)
