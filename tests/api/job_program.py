"""A stand-in for the program of a job: it behaves as a file of the data directory says."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TextIO

GOOD = {"ending": "released", "code": "good", "words": "It went well.", "remedy": "", "report": ""}
REFUSED = {**GOOD, "ending": "refused", "code": "no", "words": "It was refused.", "remedy": "Mend."}


def write(line: str, *, to: TextIO = sys.stdout) -> None:
    to.write(line + "\n")
    to.flush()


def tell(value: object) -> None:
    write(json.dumps(value))


def main() -> None:
    order = json.loads(sys.stdin.buffer.read())
    home = Path(order["data_dir"])
    (home / "order.json").write_text(json.dumps(order))
    behave = (home / "behave").read_text()
    if behave == "hang":
        below = subprocess.Popen(["sleep", "1000"])  # noqa: S607 - the system's own
        (home / "pids.new").write_text(f"{os.getpid()} {below.pid}")
        (home / "pids.new").rename(home / "pids")
        tell({"step": "Hang", "done": 1, "of": 4})
        signal.pause()
    elif behave == "crash":
        sys.exit("these are its last words")
    elif behave == "abort":
        os.abort()
    elif behave == "killed":
        os.kill(os.getpid(), 9)
    elif behave == "garbage":
        write("x" * 200_000)
        write("[1]\n7\n{}\n" + '{"ending": "odd"}' + "\n" + '{"step": 5}')
        write("y" * 200_000, to=sys.stderr)
        tell(GOOD)
    else:
        tell(REFUSED if behave == "refused" else GOOD)


main()
