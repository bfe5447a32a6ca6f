"""What is told of the files that an Envoy may open."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from compiler.build import edge
from seawall.compiler.compile import compile_edge
from seawall.node.bootstrap import released_part
from seawall.node.open_files import connections_max, files_notice, files_used_up, notice


@pytest.mark.parametrize(
    ("used", "allowed", "connections", "words"),
    [
        (50, 100_000, 50_000, ""),
        (50, 99_999, 50_000, "about 49,999 connections, not for the 50,000 of max_connections"),
        (50, 1024, 512, ""),
        (79_999, 100_000, 50_000, ""),
        (80_000, 100_000, 50_000, "80,000 of at most 100,000 files"),
        (3500, 4096, 50_000, "3,500 of at most 4,096 files"),
        (98_000, 100_000, 50_000, ""),
        (50, 1024, 0, ""),
    ],
)
def test_files_that_will_not_do_are_told_with_what_is_possible(
    used: int, allowed: int, connections: int, words: str
) -> None:
    told = notice(used, allowed, connections)
    assert words in told
    assert bool(told) is bool(words)
    assert ("ulimit -Hn" in told) is bool(words)


def test_the_numbers_are_those_of_the_process_and_of_the_release() -> None:
    bootstrap = released_part(compile_edge(edge()))
    connections = connections_max(bootstrap)
    assert connections == edge().limits.connections_max
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * connections - 1), hard))
    try:
        assert f"the {connections:,} of max_connections" in files_notice(os.getpid(), bootstrap)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert files_notice(0, bootstrap) == ""


HOLDER = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
for _ in range(int(sys.argv[1])):
    try:
        held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        break
print("ready", flush=True)
sys.stdin.read()
"""


def test_only_a_process_that_has_all_its_files_open_has_used_them_up(tmp_path: Path) -> None:
    assert files_used_up(tmp_path) is None
    for count, found in ((10, None), (1000, 64)):
        command = [sys.executable, "-c", HOLDER, str(count)]
        with subprocess.Popen(
            command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"ready\n"
            assert files_used_up(tmp_path) == found
            holder.communicate()
