"""Where records live: embedded ClickHouse in a folder, or a ClickHouse server, by the same SQL.

Names and values go to the database as parameters (`{db:Identifier}`), never into the text of a
statement. The statements are files in `sql/`; `tables/` holds those that make the tables, in order.
"""

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final, Protocol, Self
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from seawall import limits
from seawall.errors import RefusedError, UnreachableError, UsageError

DEFAULT_NAME: Final = "seawall_learn"
_ROW_FORMAT: Final = "JSONCompactEachRow"
_NAME_LENGTH_CHARS_MAX: Final = 64
_ANSWERED: Final = 200
_SEPARATED: Final = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
_QUOTED: Final = _SEPARATED | {"'": "\\'"}


Value = str | int | tuple[str, ...]
"""A parameter: a text, a number, or an `Array(String)`."""


class Database(Protocol):
    """What training needs of ClickHouse; both ways pass the same tests.

    Attributes:
        name: the database that holds our tables: the parameter `db` of every statement.
    """

    name: str

    def ask(self, sql: str, answer: str = "TSV", **parameters: Value) -> bytes:
        """The answer to one statement, in a format of ClickHouse.

        Raises:
            RefusedError: the database does not like the statement or the data.
            UnreachableError: there is no answer.
        """
        ...

    def insert(self, table: str, lines: bytes) -> None:
        """Add rows, each a JSON object on a line. Raises as `ask`."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def open_database(url: str, folder: Path) -> Database:
    """The ClickHouse at `url`, or without one an embedded one in `folder`; with our tables.

    Raises:
        UsageError: the address makes no sense.
        UnreachableError: nobody answers there.
    """
    database: Database = Server(url) if url else Embedded(folder)
    database.ask("CREATE DATABASE IF NOT EXISTS {db:Identifier}")
    files = resources.files("seawall.learn").joinpath("sql", "tables").iterdir()
    for file in sorted(files, key=lambda each: each.name):
        for statement in statements(file.read_text(encoding="utf-8")):
            database.ask(statement)
    return database


def sql(name: str, **texts: str) -> str:
    """The statement of `sql/NAME.sql`; `/* key */` in it is replaced by our own text for `key`."""
    text = resources.files("seawall.learn").joinpath("sql", f"{name}.sql")
    statement = text.read_text(encoding="utf-8").strip().removesuffix(";")
    for key, value in texts.items():
        statement = statement.replace(f"/* {key} */", value)
    return statement


def statements(text: str) -> list[str]:
    """The statements of a file, which end with `;` at the end of a line."""
    return [each.strip() for each in text.split(";\n") if each.strip()]


def rows(database: Database, statement: str, **parameters: Value) -> list[list[Any]]:
    """The answer to a query, as rows of values. Raises as `Database.ask`."""
    answer = database.ask(statement, _ROW_FORMAT, **parameters)
    try:
        found = [json.loads(line) for line in answer.splitlines() if line]
    except ValueError:
        found = [None]
    if not all(isinstance(row, list) for row in found):
        raise _refused("it does not answer with rows; it may be another kind of server")
    return found


def insert(database: Database, table: str, found: Iterable[Mapping[str, object]]) -> None:
    """Add rows. Raises as `Database.ask`."""
    database.insert(table, b"\n".join(json.dumps(row).encode() for row in found))


class Embedded:
    """ClickHouse inside this process (chDB), its data in a folder; one at a time in a process."""

    def __init__(self, folder: Path) -> None:
        from chdb import session  # noqa: PLC0415 - 200 MiB that only training loads

        self.name = DEFAULT_NAME
        self._session = session.Session(str(folder))

    def ask(self, sql: str, answer: str = "TSV", **parameters: Value) -> bytes:
        """See `Database.ask`."""
        texts = {key: _text(value) for key, value in parameters.items()} | {"db": self.name}
        try:
            found = self._session.query(sql, answer, params=texts)
        except Exception as error:
            raise _refused(str(error)) from error
        content: bytes = found.bytes() if found is not None else b""
        return content

    def insert(self, table: str, lines: bytes) -> None:
        """See `Database.insert`."""
        if lines:
            self.ask(f"{_insertion(table)}\n{lines.decode()}")

    def close(self) -> None:
        """See `Database.close`."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Server:
    """A ClickHouse server over its HTTP interface.

    The address is `http[s]://[USER:PASSWORD@]HOST[:PORT]/[?database=NAME]`. The password goes into
    a header and is in no message.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or (8443 if parts.scheme == "https" else 8123)
        except ValueError as error:
            raise _bad_address() from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _bad_address()
        self.name = parse_qs(parts.query).get("database", [DEFAULT_NAME])[0]
        if not self.name.isidentifier() or len(self.name) > _NAME_LENGTH_CHARS_MAX:
            raise _bad_address()
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._address = f"{parts.scheme}://{host}:{port}/"
        headers: dict[bytes, bytes] = {}
        if parts.username:
            headers[b"X-ClickHouse-User"] = unquote(parts.username).encode()
            headers[b"X-ClickHouse-Key"] = unquote(parts.password or "").encode()
        self._client = httpx.Client(headers=headers, timeout=limits.LEARN_DATABASE_TIMEOUT_S)

    def ask(self, sql: str, answer: str = "TSV", **parameters: Value) -> bytes:
        """See `Database.ask`."""
        return self._post({"default_format": answer}, sql.encode(), parameters)

    def insert(self, table: str, lines: bytes) -> None:
        """See `Database.insert`."""
        if lines:
            self._post({"query": _insertion(table)}, lines, {})

    def close(self) -> None:
        """See `Database.close`."""
        self._client.close()

    def _post(
        self, query: Mapping[str, str], body: bytes, parameters: Mapping[str, Value]
    ) -> bytes:
        asked = dict(query) | {f"param_{key}": _text(value) for key, value in parameters.items()}
        asked["param_db"] = self.name
        # An answer is sent when it is whole: an error in its middle is then an error status.
        asked["wait_end_of_query"] = "1"
        try:
            status, content = self._answer(asked, body)
        except (httpx.InvalidURL, UnicodeError) as error:  # a name that no host can have
            raise _bad_address() from error
        except httpx.HTTPError as error:
            raise UnreachableError(
                "database-unreachable",
                f"ClickHouse at {self._address} does not answer: {type(error).__name__}.",
                remedy="Check the address, and that its HTTP interface is open to this machine.",
            ) from error
        if status != _ANSWERED:
            raise _refused(f"HTTP status {status}: {content.decode(errors='replace')}")
        return content

    def _answer(self, asked: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and content, which what is not ClickHouse may send without end."""
        content = bytearray()
        with self._client.stream("POST", self._address, params=asked, content=body) as response:
            for part in response.iter_bytes():
                content += part
                if len(content) > limits.LEARN_ANSWER_SIZE_BYTES_MAX:
                    raise _refused(
                        f"its answer has over {limits.LEARN_ANSWER_SIZE_BYTES_MAX:,} bytes"
                    )
            return response.status_code, bytes(content)


def _text(value: Value) -> str:
    """A parameter as ClickHouse reads it: a text as in a tab-separated file, an array quoted."""
    if isinstance(value, tuple):
        return "[" + ",".join(f"'{_escaped(each, _QUOTED)}'" for each in value) + "]"
    return _escaped(value, _SEPARATED) if isinstance(value, str) else str(value)


def _escaped(text: str, escapes: Mapping[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)


def _insertion(table: str) -> str:
    return (
        f"INSERT INTO {{db:Identifier}}.{table} "
        "SETTINGS date_time_input_format = 'best_effort' FORMAT JSONEachRow"
    )


def _refused(words: str) -> RefusedError:
    shown = " ".join(words.split())[: limits.LEARN_ERROR_LENGTH_CHARS_MAX]
    return RefusedError(
        "database-refused",
        f"ClickHouse refuses a statement: {shown}",
        remedy="A server of version 24 or later is needed, and a user that may create tables.",
    )


def _bad_address() -> UsageError:
    return UsageError(
        "database-address",
        "That is not the address of a ClickHouse server.",
        remedy="It looks like http://USER:PASSWORD@HOST:8123/?database=NAME.",
    )
