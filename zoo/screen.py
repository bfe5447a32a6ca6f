"""One X screen for headed automation, which shares it as scrapers on a server do."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator


@contextlib.contextmanager
def running_screen() -> Iterator[str]:
    """The DISPLAY of a fresh Xvfb; nothing when there is no Xvfb."""
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
            "1920x1080x24",
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
