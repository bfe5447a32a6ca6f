"""Published ranges fetched from a real https server: into files, and as releases of a real edge."""

import asyncio
import contextlib
import http.client
import io
import ipaddress
import json
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers import wait_until
from seawall.cli import ranges
from seawall.cli.target import Target
from seawall.console.output import Output
from seawall.demo.website import running_website
from seawall.errors import UsageError
from seawall.verify.catalogue import RangeSource
from seawall.verify.fetch import Fetcher
from seawall.verify.ranges import header
from seawall_process import Edge, seawall, seawall_up
from verify.hand_clock import HandClock
from verify.key_server import KeyServer, serving

DAY = 86_400
GPTBOT = "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)"


def _body(*prefixes: str) -> bytes:
    return json.dumps({"prefixes": [{"ipv4Prefix": prefix} for prefix in prefixes]}).encode()


async def _loopback(_: str) -> list[Any]:
    return [ipaddress.ip_address("127.0.0.1")]


@dataclass
class Operator:
    """Whoever publishes `gptbot`, and a second list at the same address."""

    server: KeyServer
    world: ranges.World
    clock: HandClock

    def publishes(self, *prefixes: str) -> None:
        self.server.status, self.server.body = "200 OK", _body(*prefixes)

    def write(self, folder: Path, *names: str) -> tuple[int, list[dict[str, Any]], str]:
        return self._said(lambda output: ranges.write(output, self.world, names, folder))

    def push(self, edge: Edge, *names: str) -> tuple[int, list[dict[str, Any]], str]:
        target = Target(edge.data_dir)
        return self._said(lambda output: ranges.push(output, self.world, names, target))

    def _said(self, action: Any) -> tuple[int, list[dict[str, Any]], str]:
        out = io.StringIO()
        code = action(Output(json_format=True, stdout=out))
        done = json.loads(out.getvalue())["ranges"]
        return code, done, "; ".join(one["alarm"] for one in done if one["alarm"])


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    server, made = KeyServer(), []
    ready, over = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(server, tmp_path_factory.mktemp("tls")) as client:
            made.append(client())
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    urls = (f"{server.origin}/ranges.json",)
    sources = {name: RangeSource(name, urls, "json") for name in ("gptbot", "applebot")}
    clock = HandClock()
    fetcher = Fetcher(_loopback, made[0], local_hosts=frozenset({server.local}))
    yield Operator(server, ranges.World(sources, fetcher, clock), clock)
    loop.call_soon_threadsafe(over.set)
    thread.join(30)
    loop.close()


def test_files_are_written_kept_and_dated_anew(operator: Operator, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "ranges"
    operator.publishes("20.15.240.64/28", "20.15.240.80/28")
    assert operator.write(folder) == (
        0,
        [
            {"name": name, "state": "written", "networks": 1, "alarm": ""}
            for name in ("gptbot", "applebot")
        ],
        "",
    )
    file = folder / "gptbot.txt"
    first = file.read_bytes()
    assert first.endswith(b"20.15.240.64/27\n")
    assert header(first) == ("gptbot", int(operator.clock.at_s))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644, "control reads it as another user"
    assert operator.write(folder, "gptbot", "gptbot")[1][0]["state"] == "unchanged"
    operator.clock.at_s += 5 * DAY
    assert [one["state"] for one in operator.write(folder, "gptbot")[1]] == ["written"]
    assert header(file.read_bytes()) == ("gptbot", int(operator.clock.at_s))


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        ("500 Oops", b"", "it answers 500"),
        ("301 Moved", b"", "it answers 301"),
        ("200 OK", b"", "was refused"),
        ("200 OK", b"<html>", "was refused"),
        ("200 OK", _body(), "it is empty"),
        ("200 OK", _body("10.0.0.0/24"), "is not a public network"),
        ("200 OK", _body("20.15.240.64/30"), "addresses are gone"),
        ("200 OK", _body("20.0.0.0/12"), "times as many"),
        ("200 OK", b" " * 1_100_000, "it has over"),
    ],
)
def test_whatever_is_served_a_file_is_never_emptied(
    operator: Operator, tmp_path: Path, status: str, body: bytes, words: str
) -> None:
    operator.publishes("20.15.240.64/28")
    operator.write(tmp_path, "gptbot")
    before = (tmp_path / "gptbot.txt").read_bytes()
    operator.clock.at_s += 15 * DAY
    operator.server.status, operator.server.body = status, body
    code, (done,), alarm = operator.write(tmp_path, "gptbot")
    assert (code, done["state"], done["networks"]) == (1, "kept", 1)
    assert words in alarm
    assert "are 15.0 days old, they still verify bots, but no longer expose impostors" in alarm
    assert (tmp_path / "gptbot.txt").read_bytes() == before


def test_one_bad_file_does_not_keep_the_others(operator: Operator, tmp_path: Path) -> None:
    operator.publishes("20.15.240.64/28")
    bad = tmp_path / "gptbot.txt"
    for content, words in (
        (b"no network\n", "does not appear to be"),
        (b"", "it is empty"),
        (b"# seawall ranges 1\n# list: stripe\n# fetched: 5\n1.1.1.0/24\n", "ranges stripe"),
    ):
        bad.write_bytes(content)
        code, done, alarm = operator.write(tmp_path)
        assert (code, done[0]["state"]) == (1, "kept")
        assert words in alarm
        assert bad.read_bytes() == content
        assert (tmp_path / "applebot.txt").exists()


def test_a_list_by_hand_has_no_date_and_is_compared_all_the_same(
    operator: Operator, tmp_path: Path
) -> None:
    file = tmp_path / "gptbot.txt"
    file.write_text("20.15.240.64/28  # by hand\n")
    operator.publishes("198.51.99.0/24")
    code, _, alarm = operator.write(tmp_path, "gptbot")
    assert code == 1
    assert "have no date" in alarm
    operator.publishes("20.15.240.64/28")
    assert operator.write(tmp_path, "gptbot")[0] == 0
    assert header(file.read_bytes()) == ("gptbot", int(operator.clock.at_s))


def test_people_are_told_in_words(
    operator: Operator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.publishes("20.15.240.64/28")
    assert ranges.write(Output(json_format=False), operator.world, ["gptbot"], tmp_path) == 0
    operator.server.status = "503 Busy"
    assert ranges.write(Output(json_format=False), operator.world, ["gptbot"], tmp_path) == 1
    said = capsys.readouterr()
    assert said.out == "Wrote: gptbot, 1 networks\nLeft unchanged: gptbot, 1 networks\n"
    assert "they stay in use" in said.err
    assert "bot-ranges-kept" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "where-to"),
        (("--out", "x", "--push"), 2, "where-to"),
        (("nothing", "--out", "x"), 2, "ranges-unknown"),
        (("--push",), 3, "not-running"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = seawall("bots", "fetch-ranges", *arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


def test_ranges_are_pushed_as_releases_and_tell_an_impostor(
    operator: Operator, tmp_path: Path
) -> None:
    with running_website() as port, seawall_up(tmp_path, f"http://127.0.0.1:{port}") as edge:
        with pytest.raises(UsageError, match="no list of published ranges"):
            operator.push(edge)
        edge.write(more="lists: {gptbot: {}}\n")
        done = edge.run("apply")
        assert done.returncode == 0, done.stderr
        assert "unused-list" not in done.stdout + done.stderr
        assert _proof(edge) == "unknown:gptbot"
        operator.clock.at_s = edge.json("releases")["releases"][0]["created_s"]
        operator.publishes("20.15.240.64/28")
        code, done, alarm = operator.push(edge)
        assert (code, alarm) == (0, "")
        assert done == [{"name": "gptbot", "state": "released", "networks": 1, "alarm": ""}]
        wait_until(lambda: _proof(edge) == "impostor:gptbot", what="the ranges are in force")
        (feed,) = edge.json("feed", "list")["feeds"]
        assert (feed["name"], feed["entries"]) == ("gptbot", 1)
        assert operator.push(edge)[1][0]["state"] == "unchanged"
        operator.publishes("198.51.99.0/24")
        code, (kept,), alarm = operator.push(edge)
        assert (code, kept["state"]) == (1, "kept")
        assert "addresses are gone" in alarm
        code, _, alarm = operator.push(edge, "applebot")
        assert code == 1
        assert "has no list 'applebot'" in alarm
        newest = edge.json("releases")["releases"][0]
        assert (newest["kind"], newest["message"]) == ("feed", "Published ranges gptbot")


def _proof(edge: Edge) -> str:
    """What is known of a client of this machine that says it is GPTBot."""
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", "/api/time", headers={"user-agent": GPTBOT})
        answer = connection.getresponse()
        answer.read()
    request_id = answer.getheader("x-request-id") or ""
    return str(edge.wait_for_record(request_id)["bots"]).split(" ")[3]
