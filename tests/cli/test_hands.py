"""Taking the wheel from the command line, on a real edge; also with its Envoy dead."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import wait_until
from seawall.demo.website import running_website
from seawall_process import COMMAND, Edge, seawall, seawall_up

LISTED = "    deny: bad\nlists: {bad: {}}\n"


@pytest.fixture(scope="module")
def own_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    directory = tmp_path_factory.mktemp("wheel")
    with running_website() as port, seawall_up(directory, f"http://127.0.0.1:{port}") as edge:
        yield edge


def test_a_feature_is_killed_shown_and_switched_on_again(own_edge: Edge) -> None:
    done = own_edge.run("kill", "compression", "--ttl", "10m", "--reason", "a storm")
    assert done.returncode == 0, done.stderr
    assert "compression br, gzip, zstd -> none" in done.stdout
    listed = own_edge.run("kill", "--list").stdout
    assert "a storm" in listed
    assert "outlier-ejection" in listed
    status = own_edge.run("status").stdout
    assert "compression everywhere, back in" in status
    (switch,) = own_edge.json("kill", "--list")["switches"]
    assert 500 < switch["left_s"] <= 600
    assert own_edge.get()[0] == 200
    done = own_edge.run("unkill", "compression")
    assert done.returncode == 0, done.stderr
    assert own_edge.json("status")["switches"] == []
    audit = own_edge.run("audit").stdout
    assert "kill" in audit
    assert "unkill" in audit


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("kill", "gravity"), 2, "feature-unknown"),
        (("kill", "compression", "--ttl", "soon"), 2, "bad-duration"),
        (("kill", "compression", "--ttl", "30d"), 2, "ttl-out-of-range"),
        (("kill", "deny-lists"), 2, "reason-needed"),
        (("kill", "compression", "--site", "nowhere"), 1, "site-unknown"),
        (("unkill", "retries"), 1, "switch-not-on"),
        (("feed", "push", "nothing", "/dev/null"), 2, "feed-unreadable"),
        (("quarantine", "release", "0123456789ab"), 1, "not-quarantined"),
        (("quarantine", "release", "zz"), 2, "bad-digest"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_code_and_a_remedy(
    own_edge: Edge, arguments: tuple[str, ...], code: int, words: str
) -> None:
    before = own_edge.newest()
    done = own_edge.run(*arguments)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert words in done.stderr
    assert "do:" in done.stderr
    assert own_edge.newest() == before


def test_a_list_is_pushed_and_turns_clients_away(own_edge: Edge, tmp_path: Path) -> None:
    own_edge.write(more=LISTED)
    assert own_edge.run("apply").returncode == 0
    bad = tmp_path / "bad.txt"
    bad.write_text("127.0.0.0/8  # ourselves\n")
    done = own_edge.run("feed", "push", "bad", str(bad), "-m", "a test")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: own_edge.get()[0] == 403, what="the list turns us away")
    assert "1" in own_edge.run("feed", "list").stdout
    done = own_edge.run("kill", "deny-lists", "--reason", "it is us")
    assert done.returncode == 0, done.stderr
    assert "Addresses on the deny lists get in" in done.stdout
    wait_until(lambda: own_edge.get()[0] == 200, what="the killed list lets us in")
    assert own_edge.run("unkill", "deny-lists").returncode == 0
    bad.write_text("127.0.0.0/8")
    refused = own_edge.run("feed", "push", "bad", str(bad))
    assert refused.returncode == 1
    assert "cut off" in refused.stderr + refused.stdout
    bad.write_text("192.0.2.0/24\n")
    assert own_edge.run("feed", "push", "bad", str(bad)).returncode == 0
    wait_until(lambda: own_edge.get()[0] == 200, what="the newer list lets us in")
    own_edge.write()
    assert own_edge.run("apply").returncode == 0


def test_a_push_while_releases_are_frozen_waits_is_seen_and_comes_by_itself(
    own_edge: Edge, tmp_path: Path
) -> None:
    own_edge.write(more=LISTED)
    assert own_edge.run("apply").returncode == 0
    assert own_edge.run("freeze", "--reason", "the network team works").returncode == 0
    bad = tmp_path / "bad.txt"
    bad.write_text("127.0.0.0/8\n")
    told = own_edge.run("feed", "push", "bad", str(bad))
    assert told.returncode == 1
    assert "is waiting: Releases are frozen by" in told.stderr
    assert "It is stored" in told.stderr
    as_json = json.loads(own_edge.run("feed", "push", "bad", str(bad), "--format", "json").stdout)
    assert as_json["error"]["code"] == "waiting"
    assert "are waiting: Releases are frozen by" in " ".join(
        own_edge.run("feed", "list").stdout.split()
    )
    assert "is waiting: Releases are frozen" in " ".join(own_edge.run("status").stdout.split())
    assert own_edge.get()[0] == 200
    assert own_edge.run("unfreeze").returncode == 0
    wait_until(lambda: own_edge.get()[0] == 403, what="the list that waited turns us away")
    wait_until(lambda: "wait:" not in own_edge.run("feed", "list").stdout, what="nothing waits")
    own_edge.write()
    assert own_edge.run("apply").returncode == 0


def test_break_glass_leaves_a_loud_record(own_edge: Edge) -> None:
    own_edge.write(more="    timeout: 21s\n")
    done = own_edge.run("apply", "--break-glass", "the origin moved")
    assert done.returncode == 0, done.stderr
    audit = own_edge.run("audit").stdout
    assert "BREAK-GLASS" in audit
    assert "the origin moved" in audit
    own_edge.write()
    assert own_edge.run("apply").returncode == 0


def test_apply_without_waiting_says_that_it_is_on_its_way(own_edge: Edge) -> None:
    own_edge.write(more="    timeout: 22s\n")
    done = own_edge.run("apply", "--no-wait")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: (seen := own_edge.status()) and seen.state == "serving", what="it serves")
    own_edge.write()
    assert own_edge.run("apply").returncode == 0


def test_a_freeze_is_seen_refuses_and_is_lifted(own_edge: Edge) -> None:
    done = own_edge.run("freeze", "--reason", "the network team works")
    assert done.returncode == 0, done.stderr
    assert "the network team works" in done.stdout
    assert "frozen" in own_edge.run("status").stdout
    own_edge.write(more="    timeout: 23s\n")
    refused = own_edge.run("apply")
    assert refused.returncode == 1
    assert "frozen" in refused.stderr + refused.stdout
    assert own_edge.run("unfreeze").returncode == 0
    again = own_edge.run("unfreeze")
    assert again.returncode == 1
    assert "not-frozen" in again.stderr
    own_edge.write()


def test_the_story_of_a_rollout_is_told(own_edge: Edge) -> None:
    current = own_edge.json("status")["current"]["id"]
    told = own_edge.run("rollout", current)
    assert told.returncode == 0, told.stderr
    assert current in told.stdout
    story = own_edge.json("rollout", current)
    assert story["rollouts"][-1]["release"] == current
    assert story["events"]
    assert own_edge.run("rollout", "r999").returncode == 1
    for deed in ("pause", "resume", "abort"):
        if not own_edge.json("status")["rollouts"]["running"]:
            done = own_edge.run(deed)
            assert done.returncode == 1
            assert "no-rollout" in done.stderr


def test_the_wheel_answers_with_every_envoy_dead_and_no_resolver(own_edge: Edge) -> None:
    envoy = own_edge.part("envoy")
    assert envoy is not None
    os.kill(envoy.pid, signal.SIGSTOP)
    try:
        # Names cannot be looked up in this process: every lookup ends in an error.
        block = "import socket\ndef _no(*a, **k): raise OSError('no resolver')\n"
        block += "socket.getaddrinfo = socket.gethostbyname = _no\n"
        for arguments in (
            ["kill", "--list"],
            ["feed", "list"],
            ["quarantine", "list"],
            ["freeze", "--reason", "no Envoy answers"],
            ["status"],
            ["unfreeze"],
            ["rollout"],
            ["audit"],
        ):
            command = [*COMMAND[:1], "-c", block + _MAIN, *arguments, *own_edge.where]
            done = subprocess.run(
                [*command, "--format", "json"],
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.returncode in (0, 1), (arguments, done.stderr)
            assert json.loads(done.stdout)
    finally:
        os.kill(envoy.pid, signal.SIGCONT)
    own_edge.kill("envoy")
    wait_until(lambda: own_edge.part("envoy"), what="Envoy is started again")


_MAIN = "from seawall.cli.main import main\nmain()\n"


def test_without_a_running_seawall_every_command_says_so(tmp_path: Path) -> None:
    for arguments in (
        ("kill", "compression"),
        ("unkill", "compression"),
        ("kill", "--list"),
        ("feed", "list"),
        ("quarantine", "list"),
        ("pause",),
        ("resume",),
        ("abort",),
        ("freeze",),
        ("unfreeze",),
        ("rollout",),
    ):
        done = seawall(*arguments, "--data-dir", str(tmp_path / "nothing"), cwd=tmp_path)
        assert done.returncode == 3, (arguments, done.stdout, done.stderr)
        assert "seawall up" in done.stderr
