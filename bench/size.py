"""What size costs: 1,000 sites of 5 routes compiled, served and changed through `seawall up`.

Everything goes through the commands an operator types, on one machine, with the load generator and
origin idle. Memory is the resident set of the agent and of the control process together.
"""

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.origin import origin
from bench.process import free_port, running, wait_until
from seawall import limits
from seawall.compiler.check import check
from seawall.compiler.compile import compile_edge
from seawall.site.collect import collect
from seawall.site.load import load

SITES = 1_000
CHANGES = 5
PAST = ("--break-glass", "bench")
COMMAND = (sys.executable, "-P", "-m", "seawall.cli.entry")


@dataclass(frozen=True)
class Size:
    """The figures; times in seconds, medians where something was repeated.

    Attributes:
        load_s: text to model, in a fresh process' first run.
        compile_s: model to checked snapshot.
        up_small_s: `seawall up` of a small site file until a request was served.
        up_large_s: the same with the large site file.
        apply_s: `seawall apply` of a one-route change to the large file on an idle edge, from the
            command's start until it has ended and every client is answered by the change.
        break_glass_s: the same with `--break-glass`, past the canary; the gate judges all the same.
        agent_bytes: resident memory of the node agent at the large size, after the changes.
        control_bytes: of the control process.
        envoy_bytes: of Envoy.
    """

    load_s: float
    compile_s: float
    up_small_s: float
    up_large_s: float
    apply_s: float
    break_glass_s: float
    agent_bytes: int
    control_bytes: int
    envoy_bytes: int


def size(sites: int = SITES) -> Size:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="seawall-bench-") as name, contextlib.ExitStack() as st:
        root = Path(name)
        for part in ("origin", "small", "large"):
            (root / part).mkdir()
        port = st.enter_context(origin(root / "origin"))
        write_config(root / "large", free_port(), port, sites)
        load_s, compile_s = _compile(root / "large" / "seawall.yaml")
        with _up(root / "small", port, 1) as small:
            up_small_s = small.ready_s
        with _up(root / "large", port, sites) as large:
            time.sleep(limits.WINDOW_DURATION_S + limits.ROLLOUT_RATE_SPAN_S)  # until it is idle
            apply_s = statistics.median(_change(large, port, sites, n) for n in range(CHANGES))
            numbers = range(CHANGES, 2 * CHANGES)
            past_s = statistics.median(_change(large, port, sites, n, *PAST) for n in numbers)
            agent, control, envoy = (
                _memory(large.directory / "data" / part)
                for part in ("run/node.json", "run/control.json", "node/stable/envoy.json")
            )
            return Size(
                load_s, compile_s, up_small_s, large.ready_s, apply_s, past_s, agent, control, envoy
            )


@dataclass(frozen=True)
class Up:
    """A running `seawall up`, and how long it took to its first served request."""

    directory: Path
    port: int
    ready_s: float


def write_config(directory: Path, port: int, origin_port: int, sites: int, mark: str = "0") -> None:
    """A site file: each site has its own origin and five routes; `mark` is said at /mark."""
    lines = [f"version: 1\nlisten: {{http: 127.0.0.1:{port}}}\nsites:\n"]
    for number in range(sites):
        lines.append(
            f"  site{number}:\n"
            f"    hosts: [site{number}.test]\n"
            f"    origin: 'http://127.0.0.1:{origin_port}'\n"
            "    routes:\n"
            f"      - {{name: mark, path: /mark, respond: {{status: 200, body: 'm{mark}'}}}}\n"
            "      - {name: api, prefix: /api, class: api, timeout: 30s}\n"
            "      - {name: old, path: /old, redirect: {to: /new, status: 301}}\n"
            "      - {name: feed, prefix: /feed, class: feed, methods: [GET]}\n"
        )
        mark = "0"
    new = directory / "seawall.yaml.new"
    new.write_text("".join(lines))
    new.replace(directory / "seawall.yaml")


def _compile(config: Path) -> tuple[float, float]:
    start_s = time.perf_counter()
    loaded = load(collect(config), read=lambda p: Path(p).read_bytes(), now_s=time.time())
    loaded_s = time.perf_counter()
    if loaded.edge is None:
        raise SystemExit("\n".join(str(problem) for problem in loaded.problems))
    check(compile_edge(loaded.edge))
    return loaded_s - start_s, time.perf_counter() - loaded_s


@contextlib.contextmanager
def _up(directory: Path, origin_port: int, sites: int) -> Iterator[Up]:
    port = free_port()
    write_config(directory, port, origin_port, sites)
    start_s = time.perf_counter()
    with running([*COMMAND, "up", *_options(directory)], directory) as program:
        wait_until(lambda: _answer(port, "/1k", 0) == b"x" * 1024, "the first request is served")
        ready_s = time.perf_counter() - start_s
        try:
            yield Up(directory, port, ready_s)
        finally:
            program.terminate()
            _command(directory, "down")


def _change(up: Up, origin_port: int, sites: int, number: int, *options: str) -> float:
    """Until the command says that it serves; nobody asks meanwhile, which would be traffic."""
    mark = f"{number + 1}"
    write_config(up.directory, up.port, origin_port, sites, mark)
    start_s = time.perf_counter()
    apply = subprocess.run(
        [*COMMAND, "apply", *_options(up.directory), *options, "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=120,
    )
    served_s = time.perf_counter() - start_s
    if apply.returncode or _answer(up.port, "/mark", 0) != f"m{mark}".encode():
        raise SystemExit(f"apply failed: {apply.stdout.decode(errors='replace')[:2000]}")
    return served_s


def _options(directory: Path) -> list[str]:
    return ["--config", str(directory / "seawall.yaml"), "--data-dir", str(directory / "data")]


def _command(directory: Path, name: str) -> None:
    subprocess.run(
        [*COMMAND, name, "--data-dir", str(directory / "data")],
        capture_output=True,
        check=False,
        timeout=60,
    )


def _answer(port: int, path: str, site: int) -> bytes | None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        client.request("GET", path, headers={"host": f"site{site}.test"})
        answer = client.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        client.close()
    return body if answer.status == http.client.OK else None


def _memory(run_file: Path) -> int:
    pid = int(json.loads(run_file.read_text())["pid"])
    return int(psutil.Process(pid).memory_info().rss)
