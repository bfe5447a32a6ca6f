"""An embedded ClickHouse in a folder, and a ClickHouse over HTTP, both real."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from chdb import session

from seawall.learn.database import Database, open_database


class _Handler(http.server.BaseHTTPRequestHandler):
    """The part of ClickHouse's HTTP interface that training uses, over a real ClickHouse."""

    clickhouse: session.Session
    key = ""

    def do_POST(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        parameters = {n.removeprefix("param_"): v for n, v in asked.items() if "param_" in n}
        statement = f"{asked['query']}\n{body}" if "query" in asked else body
        if self.headers.get("X-ClickHouse-Key", "") != self.key:
            status, content = 403, b"Authentication failed: password is incorrect"
        else:
            status, content = self._answered(statement, asked, parameters)
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answered(
        self, statement: str, asked: dict[str, str], parameters: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            answer = self.clickhouse.query(
                statement, asked.get("default_format", "TSV"), params=parameters
            )
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a status, as there
            return 500, str(error).encode()
        return 200, answer.bytes() or b""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def clickhouse_server(folder: Path, key: str = "") -> Iterator[str]:
    """A server's address."""
    handler = type("Handler", (_Handler,), {"key": key})
    handler.clickhouse = session.Session(str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        handler.clickhouse.close()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Database]:
    with closing(open_database("", tmp_path / "clickhouse")) as database:
        yield database


@pytest.fixture(params=["embedded", "server"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """Both ways to a ClickHouse."""
    if request.param == "embedded":
        with closing(open_database("", tmp_path / "clickhouse")) as found:
            yield found
        return
    with (
        clickhouse_server(tmp_path / "clickhouse") as url,
        closing(open_database(url, tmp_path)) as found,
    ):
        yield found
