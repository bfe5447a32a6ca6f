import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import free_port
from seawall_process import COMMAND, START_DEADLINE_S, Edge, seawall, site_file

LONGER = "    timeout: 20s\n"
BAD = "    timeoutt: 20s\n"


def test_init_writes_a_file_that_check_finds_good(tmp_path: Path) -> None:
    done = seawall("init", "--origin", "http://127.0.0.1:3000", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "seawall check" in done.stdout
    checked = seawall("check", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.endswith("good: 1 site, 2 routes, 1 origin\n")


def test_init_does_not_replace_a_file_unasked(tmp_path: Path) -> None:
    (tmp_path / "seawall.yaml").write_text("mine")
    done = seawall("init", "--origin", "http://127.0.0.1:3000", cwd=tmp_path)
    assert done.returncode == 1
    assert "already exists" in done.stderr
    assert (tmp_path / "seawall.yaml").read_text() == "mine"
    assert seawall("init", "--origin", "http://a:1", "--force", cwd=tmp_path).returncode == 0
    assert "http://a:1" in (tmp_path / "seawall.yaml").read_text()


def test_init_takes_a_host_and_an_output(tmp_path: Path) -> None:
    arguments = ("init", "--origin", "http://a:1", "--host", "shop.example.com")
    assert "shop.example.com" in seawall(*arguments, "--output", "-", cwd=tmp_path).stdout
    assert not list(tmp_path.iterdir())
    written = seawall(*arguments, "--output", "x.yaml", "--format", "json", cwd=tmp_path)
    assert json.loads(written.stdout) == {"path": str(tmp_path / "x.yaml")}
    spaced = seawall(*arguments, "--output", "my site.yaml", cwd=tmp_path)
    assert "seawall check --config 'my site.yaml'" in spaced.stdout


def test_init_refuses_what_is_no_url(tmp_path: Path) -> None:
    done = seawall("init", "--origin", "localhost", "--format", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["remedy"]


def test_check_names_place_reason_and_remedy_without_a_running_edge(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(site_file(8080, "http://127.0.0.1:1", more=BAD))
    done = seawall("check", "--config", "s.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert re.search(r"^s\.yaml:7:5: error: .*timeoutt.* \[[a-z-]+\]$", done.stdout, re.MULTILINE)
    assert "timeout" in done.stdout.partition("do  ")[2]
    assert done.stdout.endswith("refused: 1 error\n")


def test_check_as_json_lists_the_same_problems(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(site_file(8080, "http://127.0.0.1:1", more=BAD))
    done = seawall("check", "--config", "s.yaml", "--format", "json", cwd=tmp_path)
    assert done.returncode == 1
    view = json.loads(done.stdout)
    assert view["ok"] is False
    assert [(p["line"], p["column"], p["severity"]) for p in view["problems"]] == [(7, 5, "error")]


@pytest.mark.parametrize("mode", ["--full", "--quick"])
def test_check_can_ask_envoy_or_not(tmp_path: Path, mode: str) -> None:
    (tmp_path / "s.yaml").write_text(site_file(8080, "http://127.0.0.1:1"))
    done = seawall("check", "--config", "s.yaml", mode, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mode", [(), ("--full",), ("--quick",)])
def test_check_names_the_release_that_it_compares_with(edge: Edge, mode: tuple[str, ...]) -> None:
    serving = edge.newest()
    done = edge.run("check", *mode)
    assert (done.returncode, done.stdout) == (
        0,
        f"good: 1 site, 1 route, 1 origin (compared with {serving})\n",
    )
    edge.write(more=BAD)
    refused = edge.run("check", *mode)
    assert refused.returncode == 1
    assert refused.stdout.endswith(f"refused: 1 error (compared with {serving})\n")
    alone = seawall("check", *mode, "--config", str(edge.config), "--format", "json")
    assert json.loads(alone.stdout)["compared_with"] is None


def test_check_of_a_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    done = seawall("check", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "seawall init" in done.stderr


@pytest.mark.parametrize(
    "command",
    ["status", "diff", "apply", "releases", "rollback", "show r1", "why x", "audit", "token list"],
)
def test_without_a_running_edge_a_command_says_how_to_start_one(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / "seawall.yaml").write_text(site_file(8080, "http://127.0.0.1:1"))
    done = seawall(*command.split(), "--data-dir", "nowhere", cwd=tmp_path)
    assert done.returncode == 3
    assert "Seawall is not running on the data directory nowhere" in done.stderr
    assert "seawall up --data-dir nowhere" in done.stderr
    spaced = seawall(*command.split(), "--data-dir", "no where", cwd=tmp_path)
    assert "`seawall up --data-dir 'no where'`" in spaced.stderr
    as_json = seawall(*command.split(), "--data-dir", "nowhere", "--format", "json", cwd=tmp_path)
    assert as_json.returncode == 3
    assert json.loads(as_json.stdout)["error"]["code"] == "not-running"


def test_down_with_nothing_to_stop_says_so(tmp_path: Path) -> None:
    done = seawall("down", "--data-dir", "nowhere", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["stopped"] is False


def test_status_shows_what_serves(edge: Edge) -> None:
    view = edge.json("status")
    assert view["state"] in {"serving", "working"}
    assert view["nodes"][0]["envoy"]["pid"] == edge.pid("envoy")
    assert view["nodes"][0]["listeners"] == [f"127.0.0.1:{edge.port}"]
    text = edge.run("status")
    assert text.returncode == 0
    assert f"pid {edge.pid('envoy')}" in text.stdout
    assert "\x1b" not in text.stdout


def test_status_can_be_watched_as_a_stream(edge: Edge) -> None:
    command = (sys.executable, "-P", "-m", "seawall.cli.main", "status", "--watch", *edge.where)
    with subprocess.Popen(
        [*command, "--format", "json"], stdout=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout is not None
        first, second = watching.stdout.readline(), watching.stdout.readline()
        watching.send_signal(2)
        watching.stdout.read()
    assert watching.returncode == 0
    assert json.loads(first)["now_s"] < json.loads(second)["now_s"]


def test_diff_of_the_same_file_is_no_change(edge: Edge) -> None:
    edge.run("apply")
    assert edge.json("diff")["identical"] is True
    assert edge.run("diff").stdout.startswith("No change")


def test_diff_tells_a_change_in_words_and_changes_nothing(edge: Edge) -> None:
    edge.run("apply")
    before = edge.json("status")["current"]["id"]
    edge.write(more=LONGER)
    text = edge.run("diff")
    assert text.returncode == 0, text.stdout + text.stderr
    assert "20 s" in text.stdout
    assert edge.json("diff")["changes"]
    assert edge.json("status")["current"]["id"] == before


def test_diff_of_a_bad_file_is_refused(edge: Edge) -> None:
    edge.write(more=BAD)
    assert edge.json("diff", code=1)["check"]["ok"] is False
    assert "refused: 1 error" in edge.run("diff").stdout


def test_apply_releases_and_tells_each_step(edge: Edge) -> None:
    edge.write(more=f"    timeout: {free_port() % 500 + 20}s\n")
    done = edge.run("apply", "-m", "a longer timeout")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^r\d+ serves \(before: r\d+\), in ", done.stdout, re.MULTILINE)
    assert "Validate with Envoy" in done.stderr
    newest = edge.json("releases")["releases"][0]
    assert newest["message"] == "a longer timeout"
    assert newest["current"] is True
    assert edge.get()[0] == 200


def test_apply_as_json_is_one_object(edge: Edge) -> None:
    edge.write(more=f"    timeout: {free_port() % 500 + 600}s\n")
    end = edge.json("apply")
    assert end["event"] == "applied"
    assert end["changed"] is True
    again = edge.json("apply")
    assert again["changed"] is False
    assert again["release"]["id"] == end["release"]["id"]


def test_a_dry_run_goes_through_every_check_and_releases_nothing(edge: Edge) -> None:
    before = edge.json("releases")["releases"][0]["id"]
    edge.write(more=f"    timeout: {free_port() % 500 + 1200}s\n")
    end = edge.json("apply", "--dry-run")
    assert end["dry_run"] is True
    assert end["release"] is None
    assert "Nothing was released" in edge.run("apply", "--dry-run").stdout
    assert edge.json("releases")["releases"][0]["id"] == before


def test_apply_can_be_followed_until_it_is_last_known_good(edge: Edge) -> None:
    edge.write(more=f"    timeout: {free_port() % 500 + 1800}s\n")
    done = edge.run("apply", "--watch", "--format", "json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert next(line.get("event") for line in lines) == "progress"
    applied = next(line for line in lines if line.get("event") == "applied")
    assert applied["release"]["id"] in lines[-1]["nodes"][0]["last_known_good"]


def test_a_bad_file_is_refused_and_the_edge_does_not_notice(edge: Edge) -> None:
    before = edge.json("status")["current"]["id"]
    edge.write(more=BAD)
    done = edge.run("apply")
    assert done.returncode == 1
    assert f"{edge.config.name}:7:5: error: " in done.stderr
    assert "serves on, unchanged" in done.stderr
    refused = edge.json("apply", code=1)
    assert refused["event"] == "refused"
    assert refused["stage"] == "check"
    assert edge.json("status")["current"]["id"] == before
    assert edge.get()[0] == 200


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a: &a [*a]", b"[" * 5000, b"version: 1\n"])
def test_a_malformed_file_is_refused_with_a_remedy(edge: Edge, content: bytes) -> None:
    edge.config.write_bytes(content)
    refused = edge.json("apply", code=1)
    assert refused["problems"]
    assert all(problem["remedy"] for problem in refused["problems"])
    assert edge.get()[0] == 200


def test_releases_are_listed_and_paged(edge: Edge) -> None:
    edge.write(more=LONGER)
    edge.run("apply")
    listed = edge.json("releases", "--limit", "1")
    assert len(listed["releases"]) == 1
    older = edge.json("releases", "--before", listed["releases"][0]["id"])
    assert older["releases"][0]["id"] != listed["releases"][0]["id"]
    assert "current" in edge.run("releases").stdout


def test_a_release_is_shown_with_its_site_file(edge: Edge) -> None:
    view = edge.json("show", "r1")
    assert view["release"]["id"] == "r1"
    assert "127.0.0.1" in view["sources"][0]["content"]
    assert "version: 1" in edge.run("show", "r1").stdout
    assert edge.json("show", "r9999", code=1)["error"]["code"]
    assert edge.run("show", "r9999").returncode == 1


def test_rollback_serves_an_earlier_release_again(edge: Edge) -> None:
    edge.write(more=LONGER)
    edge.run("apply")
    text = edge.run("rollback", "r1", "-m", "it was better")
    assert text.returncode == 0, text.stderr
    assert "r1 serves" in text.stdout
    assert edge.json("status")["current"]["id"] == "r1"
    assert edge.get()[0] == 200
    end = edge.json("rollback", "r1")
    assert end["changed"] is False
    assert edge.json("rollback", "r9999", code=1)


def test_why_tells_the_story_of_a_request(edge: Edge) -> None:
    status, headers, _ = edge.get("/api/fail")
    assert status == 500
    request_id = headers["x-request-id"]
    edge.wait_for_record(request_id)
    text = edge.run("why", request_id).stdout
    assert "/api/fail" in text
    assert "500" in text
    assert edge.json("why", request_id)["record"]["status"] == 500
    unknown = edge.run("why", "00000000-0000-0000-0000-000000000000")
    assert unknown.returncode == 1


def test_tokens_are_made_listed_and_revoked(edge: Edge) -> None:
    made = edge.json("token", "create", "ci", "--write", "--days", "1")
    assert made["token"] not in edge.run("token", "list").stdout
    token_id = made["view"]["id"]
    assert token_id in [token["id"] for token in edge.json("token", "list")["tokens"]]
    assert edge.json("token", "revoke", token_id)["revoked"] is True
    assert token_id not in edge.run("token", "list").stdout
    assert edge.run("token", "revoke", "nonsense").returncode == 1
    shown = edge.run("token", "create", "other")
    assert len(shown.stdout.split()) == 1
    assert "never shown again" in shown.stderr


def test_the_audit_log_says_who_did_what(edge: Edge) -> None:
    edge.write(more=LONGER)
    edge.run("apply")
    entries = edge.json("audit")["entries"]
    assert entries
    assert entries[0]["who"]
    assert entries[0]["what"] in edge.run("audit").stdout


def test_a_second_up_says_who_runs(edge: Edge) -> None:
    done = edge.run("up")
    assert done.returncode == 1
    assert f"already runs on {edge.data_dir} (process {edge.pid('up')})" in done.stderr
    assert edge.get()[0] == 200


def test_everything_in_the_data_directory_is_private(edge: Edge) -> None:
    for folder, _, files in os.walk(edge.data_dir):
        assert stat.S_IMODE(Path(folder).stat().st_mode) == 0o700, folder
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize(
    ("command", "code", "error"),
    [
        ("rollback r99", 1, "release-unknown"),
        ("show r99", 1, "release-unknown"),
        ("kill bots --site nosuch --reason test", 1, "site-unknown"),
        ("feed push nosuch seawall.yaml", 1, "feed-unknown"),
        ("token revoke nosuch", 1, "token-unknown"),
        ("apply --nosuch", 2, "bad-command-line"),
        ("nosuch", 2, "bad-command-line"),
        ("releases --limit 0", 2, "bad-command-line"),
        ("show", 2, "bad-command-line"),
    ],
)
def test_an_error_has_one_shape_for_programs(
    edge: Edge, command: str, code: int, error: str
) -> None:
    done = edge.run(*command.split(), "--format", "json")
    assert (done.returncode, done.stderr) == (code, "")
    told = json.loads(done.stdout)["error"]
    assert set(told) == {"code", "message", "remedy"}
    assert (told["code"], bool(told["message"]), bool(told["remedy"])) == (error, True, True)


def test_a_wrong_command_line_is_told_in_text_to_people(tmp_path: Path) -> None:
    done = seawall("show", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: seawall show")


@pytest.mark.parametrize("mode", [("--format", "json"), ()])
def test_a_watch_ends_when_nobody_reads_on(edge: Edge, mode: tuple[str, ...]) -> None:
    command = [*COMMAND, "status", "--watch", *edge.where, *mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=edge.directory) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline()
        watching.stdout.close()
        assert watching.wait(START_DEADLINE_S) == 0
