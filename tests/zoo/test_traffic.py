"""The zoo's own site, forwarder and one small data set, over real sockets and a real edge."""

import gc
import json
import socket
import struct
import sys
import threading
from pathlib import Path

import httpx
import pytest
from rich.console import Console
from zoo.catalogue import ALL
from zoo.forward import header, running_forwarder
from zoo.kinds import Class
from zoo.site import running_site

from machine import needs_curl
from zoo import dataset, make, merge, prepare, report
from zoo_sets import records, session

TOOLS = prepare.Tools(Path(sys.executable), Path("unused"))


def test_the_site_serves_pages_parts_and_errors() -> None:
    with running_site() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        page = client.get("/articles/3")
        assert page.status_code == 200
        assert "/static/site.css" in page.text
        assert client.head("/").content == b""
        assert client.get("/nope").status_code == 404
        assert client.post("/contact", data={"text": "x"}).headers["location"] == "/thanks"
        assert client.post("/beacon", content=iter([b"a", b"bc"])).status_code == 204
        tag = client.get("/feed.xml").headers["etag"]
        assert client.get("/feed.xml", headers={"if-none-match": tag}).status_code == 304
        assert client.get("/repo.git/info/refs").text.endswith("refs/heads/main\n")


def test_garbage_ends_its_own_connection_only() -> None:
    with running_site() as port:
        for sent in (
            b"nonsense\r\n\r\n",
            b"POST / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n",
            b"\0",
        ):
            with socket.create_connection(("127.0.0.1", port), 5) as client:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                client.settimeout(5)
                assert client.recv(1000) == b""
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200


def test_proxy_headers_are_those_of_the_specification() -> None:
    assert header("100.64.1.2", 40000, 8443) == b"PROXY TCP4 100.64.1.2 192.0.2.1 40000 8443\r\n"
    assert header("2001:db8::5", 40000, 8443) == (
        b"PROXY TCP6 2001:db8::5 2001:db8::1 40000 8443\r\n"
    )
    second = header("100.64.1.2", 40001, 8443)
    assert second[:16] == b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
    assert second[16:] == bytes([100, 64, 1, 2, 192, 0, 2, 1]) + struct.pack("!HH", 40001, 8443)
    assert header("2001:db8::5", 40001, 8443)[13:16] == b"\x21\x00\x24"


def test_the_forwarder_passes_bytes_untouched_both_ways_and_half_closes() -> None:
    sent = bytes(range(256)) * 2000
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as edge:

        def serve() -> None:
            connection, _ = edge.accept()
            with connection:
                data = b""
                while part := connection.recv(65536):
                    data += part
                got.append(data)
                connection.sendall(data[::-1])

        thread = threading.Thread(target=serve)
        thread.start()
        with running_forwarder(edge.getsockname()[1]) as forwarder:
            port = forwarder.open("100.64.7.7")
            with socket.create_connection(("127.0.0.1", port), 10) as client:
                local = client.getsockname()[1]
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                back = b""
                gc.collect()  # a half-closed connection is held by nobody but the forwarder
                while part := client.recv(65536):
                    back += part
            thread.join(10)
            front = header("100.64.7.7", local, edge.getsockname()[1])
            assert got == [front + sent]
            assert back == (front + sent)[::-1]
            forwarder.close(port)


def test_a_forwarder_without_an_edge_drops_the_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        gone = unused.getsockname()[1]
    with running_forwarder(gone) as forwarder:
        port = forwarder.open("100.64.7.7")
        with socket.create_connection(("127.0.0.1", port), 10) as client:
            try:
                answer = client.recv(10)
            except ConnectionResetError:
                answer = b""
            assert answer == b""


def test_what_is_missing_is_named_with_what_to_do(tmp_path: Path) -> None:
    nothing = prepare.Tools(tmp_path / "no-python", tmp_path / "cache")
    lacks = prepare.missing(ALL, nothing)
    assert lacks["requests"] == ("pip:requests",)
    assert "npm:axios" in lacks["axios"]
    assert "npm ci" in prepare.how_to_get("npm:axios")
    assert "apt install libnss3-tools" in prepare.how_to_get("certutil")
    assert "requirements-zoo.txt" in prepare.how_to_get("pip:requests")


def test_every_client_from_pypi_is_pinned() -> None:
    root = Path(__file__).parents[2]
    pinned = {
        line.partition("==")[0].lower().replace("-", "_")
        for line in (root / "requirements-zoo.txt").read_text().splitlines()
        if "==" in line
    }
    needs = {need.removeprefix("pip:") for c in ALL for need in c.needs if need.startswith("pip:")}
    assert needs - {"urllib"} <= pinned
    lock = json.loads((root / "zoo/drivers/node/package-lock.json").read_text())
    packages = {path.removeprefix("node_modules/") for path in lock["packages"]}
    assert {
        n.removeprefix("npm:") for c in ALL for n in c.needs if n.startswith("npm:")
    } <= packages
    assert not any("resolved" in entry for entry in lock["packages"].values())


@needs_curl
def test_a_small_data_set_from_clients_to_report(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    order = make.Order(folder, minutes=2, scale=0.01, seed=1, only=("urllib", "curl as chrome"))
    console = Console(record=True, width=120)
    assert make.make(console, prepare.Tools(Path(sys.executable), tmp_path / "cache"), order)
    sessions = dataset.read_sessions(folder)
    assert {s.configuration for s in sessions} >= {"urllib", "urllib as chrome", "curl as chrome"}
    assert [s.problem for s in sessions if s.problem] == []
    by_client: dict[str, list[dict[str, object]]] = {}
    for record in dataset.read_records(folder):
        by_client.setdefault(str(record["client"]), []).append(record)
    for one in sessions:
        assert len(by_client[one.address]) >= one.requests
        assert all(record["ja4"] for record in by_client[one.address])
    spoofing = next(s for s in sessions if s.configuration == "urllib as chrome")
    assert "Chrome/" in str(by_client[spoofing.address][0]["user_agent"])
    about = json.loads((folder / dataset.ABOUT).read_text())
    assert (about["sessions"], about["left_out"]) == (len(sessions), {})
    halves = [dataset.read_sessions(folder, name) for name in (dataset.TRAIN, dataset.TEST)]
    assert sorted(s.session for half in halves for s in half) == sorted(s.session for s in sessions)
    made = report.of_folder(folder)
    assert made.without_records == 0
    assert {row.label for row in made.families} == {Class.BOT}
    assert not make.make(console, TOOLS, order)
    assert "holds a data set already" in console.export_text()


def test_a_damaged_table_of_sessions_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / dataset.SESSIONS).write_text("session\tclient\ns1\t100.64.0.1\n")
    with pytest.raises(ValueError, match="line 2"):
        dataset.read_sessions(tmp_path)


def test_records_that_are_no_objects_are_passed_over(tmp_path: Path) -> None:
    assert (
        dataset.write_records(tmp_path, [b'{"a": 1}\n', b"\n", b"[1]\n", b'{"cut', b"\xff\n"]) == 4
    )
    assert list(dataset.read_records(tmp_path)) == [{"a": 1}]


def test_merged_sets_hold_each_address_once(tmp_path: Path) -> None:
    folders = []
    for number, addresses in enumerate(((1, 2), (2, 3))):
        folder = tmp_path / str(number)
        folder.mkdir()
        folders.append(folder)
        made = [session(address, f"f{number}") for address in addresses]
        dataset.write_sessions(folder, made)
        lines = [json.dumps({**records(one, 5)[0], "set": number}).encode() for one in made]
        dataset.write_records(folder, lines)
        dataset.write_about(folder, {"seed": number})
    assert merge.merge(folders, tmp_path / "both") == 1
    both = dataset.read_sessions(tmp_path / "both")
    assert sorted(s.session for s in both) == ["1-s1", "1-s2", "2-s3"]
    found = list(dataset.read_records(tmp_path / "both"))
    assert [(r["client"], r["set"]) for r in found] == [
        (session(1).address, 0),
        (session(2).address, 0),
        (session(3).address, 1),
    ]
    with pytest.raises(FileExistsError):
        merge.merge(folders, tmp_path / "both")
