import json
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.schema import check
from api.served import Served, served
from api.world import site_text, sources
from helpers import free_port
from seawall import limits
from seawall.api.calls import is_running
from seawall.api.client import Client
from seawall.api.codec import to_json
from seawall.api.operations import OPERATIONS, endpoints_table
from seawall.api.requests import pack
from seawall.api.views import Applied, Progress, Refused
from seawall.errors import NotFoundError, SeawallError, UnreachableError, UsageError
from seawall.site.sources import SourceFile, SourceSet

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served") / "data", tcp=True) as running:
        yield running


@pytest.fixture(scope="module")
def document(here: Served) -> dict[str, Any]:
    with here.http() as http:
        found: dict[str, Any] = http.get("/v1/openapi.json").json()
    return found


def validated(answer: httpx.Response, document: dict[str, Any], path: str) -> Any:
    """The JSON of an answer, held against the OpenAPI document."""
    method = answer.request.method.lower()
    responses = document["paths"][path][method]["responses"]
    shape = responses.get(str(answer.status_code), responses["default"])
    value = answer.json()
    check(value, shape["content"]["application/json"]["schema"], document)
    return value


def body_of(text: str, **more: Any) -> dict[str, Any]:
    return {"sources": to_json(pack(sources(text))), **more}


def test_the_socket_is_private_and_answers(here: Served) -> None:
    assert stat.S_IMODE(here.socket.stat().st_mode) == 0o600
    assert is_running(here.data_dir)
    with here.http() as http:
        assert http.get("/healthz").json()["ok"] is True


def test_every_operation_is_in_the_openapi_document_and_in_the_docs(
    document: dict[str, Any],
) -> None:
    documented = {
        (method.upper(), path) for path, entry in document["paths"].items() for method in entry
    }
    assert documented == {(o.method, o.path) for o in OPERATIONS}
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        assert schema["description"]
    assert endpoints_table() in (ROOT / "docs" / "api.md").read_text()


def test_every_answer_has_the_documented_shape(here: Served, document: dict[str, Any]) -> None:
    port = free_port()
    with here.http() as http:
        applied = http.post("/v1/apply", json=body_of(site_text(port), author="ann"))
        assert applied.headers["content-type"] == "application/x-ndjson"
        lines = [json.loads(line) for line in applied.text.splitlines()]
        event = document["paths"]["/v1/apply"]["post"]["responses"]["200"]["content"]
        for line in lines:
            check(line, event["application/x-ndjson"]["schema"], document)
        assert lines[-1]["event"] == "applied", lines[-1]
        release = lines[-1]["release"]["id"]
        for path, url in (
            ("/healthz", "/healthz"),
            ("/v1/status", "/v1/status"),
            ("/v1/releases", "/v1/releases?limit=5"),
            ("/v1/releases/{release}", f"/v1/releases/{release}"),
            ("/v1/tokens", "/v1/tokens"),
            ("/v1/audit", "/v1/audit"),
        ):
            answer = http.get(url)
            assert answer.status_code == 200, answer.text
            validated(answer, document, path)
        for path in ("/v1/check", "/v1/diff"):
            for text in (site_text(port, timeout="3s"), "version: 1\nnonsense: [\n"):
                answer = http.post(path, json=body_of(text))
                assert answer.status_code == 200, answer.text
                validated(answer, document, path)
        assert "seawall_node_connected" in http.get("/v1/metrics").text


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "code"),
    [
        ("GET", "/v1/nothing", None, 404, "no-such-operation"),
        ("GET", "/", None, 404, "no-such-operation"),
        ("GET", "/v1/status/", None, 404, "no-such-operation"),
        ("DELETE", "/v1/status", None, 405, "method-not-allowed"),
        ("GET", "/v1/releases?limit=many", None, 400, "bad-request"),
        ("GET", "/v1/releases?limit=0", None, 400, "bad-request"),
        ("GET", "/v1/audit?limit=-1", None, 400, "bad-request"),
        ("GET", "/v1/releases?limit=1&limit=2", None, 400, "bad-request"),
        ("GET", "/v1/releases?colour=red", None, 400, "bad-request"),
        ("GET", "/v1/releases/r999999", None, 404, "release-unknown"),
        ("GET", "/v1/releases/..%2f..%2fetc", None, 404, "no-such-operation"),
        ("GET", "/v1/why/" + "x" * 500, None, 400, "request-id-malformed"),
        ("GET", "/v1/why/none-such", None, 404, "request-not-found"),
        ("POST", "/v1/apply", b"", 400, "bad-request"),
        ("POST", "/v1/apply", b"[]", 400, "bad-request"),
        ("POST", "/v1/apply", b"{", 400, "bad-request"),
        ("POST", "/v1/apply", b"\xff\xfe", 400, "bad-request"),
        ("POST", "/v1/apply", b"[" * 200_000, 400, "bad-request"),
        ("POST", "/v1/apply", b'{"sources": NaN}', 400, "bad-request"),
        ("POST", "/v1/apply", b"9" * 10_000, 400, "bad-request"),
        (
            *("POST", "/v1/tokens", b'{"name": "a", "ttl_s": 1' + b"0" * 400 + b"}"),
            *(400, "bad-request"),
        ),
        ("POST", "/v1/rollback", b'{"release": 12}', 400, "bad-request"),
        ("POST", "/v1/rollback", b'{"release": "r1", "release": "r2"}', 400, "bad-request"),
        ("POST", "/v1/rollback", b'{"release": "r1", "spell": 1}', 400, "bad-request"),
        ("POST", "/v1/rollback", b'{"author": "\\u0007"}', 400, "bad-request"),
        ("POST", "/v1/rollback", b'{"author": "\\ud800"}', 400, "bad-request"),
        ("POST", "/v1/rollback", b" " * 70_000 + b"{}", 413, "body-too-large"),
        ("POST", "/v1/tokens", b'{"name": "x", "scopes": ["all"]}', 400, "bad-request"),
        ("POST", "/v1/tokens", b'{"name": "../x"}', 400, "token-name-invalid"),
        ("DELETE", "/v1/tokens/none", None, 404, "token-unknown"),
        ("GET", "/v1/node/bundles/" + "0" * 64, None, 404, None),
        ("GET", "/v1/node/local/assignment", None, 400, "bad-request"),
        ("GET", "/v1/node/local/assignment?known=0&wait_s=nan", None, 400, "bad-request"),
        ("POST", "/v1/node/report", b'{"node": "x"}', 400, "bad-request"),
    ],
)
def test_what_makes_no_sense_gets_a_clear_error(  # noqa: PLR0917 - pytest names them
    here: Served,
    document: dict[str, Any],
    method: str,
    url: str,
    body: bytes | None,
    status: int,
    code: str | None,
) -> None:
    with here.http() as http:
        answer = http.request(
            method, url, content=body, headers={"content-type": "application/json"}
        )
    value = answer.json()
    assert answer.status_code == status, value
    assert code is None or value["code"] == code, value
    assert value["message"]
    assert "Traceback" not in answer.text
    check(value, {"$ref": "#/components/schemas/ErrorView"}, document)


def test_a_method_that_is_not_possible_is_told_which_are(here: Served) -> None:
    with here.http() as http:
        answer = http.put("/v1/tokens")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


def test_another_media_type_is_told_what_to_send(here: Served) -> None:
    with here.http() as http:
        answer = http.post("/v1/check", content=b"a: 1", headers={"content-type": "text/yaml"})
    assert (answer.status_code, answer.json()["code"]) == (415, "not-json")


@pytest.mark.parametrize(
    "change",
    [
        {"root": "/other.yaml"},
        {"root": "relative.yaml"},
        {"files": []},
        {"files": [{"path": "/a", "text": "x", "base64": "eA=="}]},
        {"files": [{"path": "/a"}]},
        {"files": [{"path": "/a", "base64": "not base64!"}]},
        {"root": "/\ud800", "files": [{"path": "/\ud800", "text": "version: 1\n"}]},
    ],
)
def test_sources_that_contradict_themselves_are_refused(
    here: Served, change: dict[str, Any]
) -> None:
    body = {"sources": {"root": "/a", "files": [{"path": "/a", "text": "version: 1\n"}], **change}}
    with here.http() as http:
        answer = http.post("/v1/check", content=json.dumps(body).encode())
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in {"bad-sources", "bad-request"}


def test_a_site_file_that_is_no_text_is_a_problem_and_not_an_error(here: Served) -> None:
    with Client.for_data_dir(here.data_dir) as client:
        view = client.check(SourceSet("/a", (SourceFile("/a", b"\xff\x00\xfe"),)))
    assert not view.ok
    assert view.problems


def test_garbage_on_the_socket_ends_that_connection_only(here: Served) -> None:
    for sent in (b"\x00" * 100, b"GET / HTTP/x.y\r\n\r\n", b"GET /" + b"a" * 100_000):
        head, _, body = here.raw(sent).partition(b"\r\n\r\n")
        assert b"400" in head.split(b"\r\n")[0]
        assert json.loads(body)["code"] == "bad-request"
    with here.http() as http:
        assert http.get("/healthz").status_code == 200


def test_a_client_that_never_finishes_its_request_is_cut_off(
    here: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "API_HEADER_TIMEOUT_S", 0.05)
    monkeypatch.setattr(limits, "API_BODY_TIMEOUT_S", 0.05)
    with pytest.raises(ConnectionResetError):
        raise_for_end(here.raw(b"GET /healthz HTTP/1.1\r\nHost: x\r\n"))
    slow = b"POST /v1/check HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{"
    assert here.raw(slow).startswith(b"HTTP/1.1 408")


def raise_for_end(answer: bytes) -> None:
    """A connection that was aborted gives nothing, or is reset."""
    assert answer == b""
    raise ConnectionResetError


def test_tcp_needs_a_token_and_scopes_count(here: Served) -> None:
    url = f"http://127.0.0.1:{here.tcp_port}"
    with here.http() as http:
        read = http.post("/v1/tokens", json={"name": "reader", "scopes": ["read"]})
        assert read.status_code == 201
        write = http.post("/v1/tokens", json={"name": "writer", "scopes": ["read", "write"]})
    assert httpx.get(f"{url}/healthz").status_code == 200
    bare = httpx.get(f"{url}/v1/status")
    assert (bare.status_code, bare.json()["code"]) == (401, "unauthorized")
    assert bare.headers["www-authenticate"] == "Bearer"
    for bad in ("Bearer", "Bearer x", "Basic eDp5", "Bearer swt_0000000000000000_" + "a" * 43):
        assert httpx.get(f"{url}/v1/status", headers={"authorization": bad}).status_code == 401
    reader = {"authorization": f"Bearer {read.json()['token']}"}
    assert httpx.get(f"{url}/v1/status", headers=reader).status_code == 200
    refused = httpx.post(f"{url}/v1/rollback", headers=reader, json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert httpx.get(f"{url}/v1/tokens", headers=reader).status_code == 403
    assert httpx.get(f"{url}/v1/node/bundles/{'0' * 64}", headers=reader).status_code == 404
    with Client.for_url(url, write.json()["token"]) as client:
        end = list(client.rollback("r999999"))[-1]
        assert isinstance(end, Refused)
        assert [token.name for token in client.tokens().tokens] == ["writer", "reader"]
        assert client.revoke_token("reader").revoked
    assert httpx.get(f"{url}/v1/status", headers=reader).status_code == 401
    with here.http() as http:
        http.delete("/v1/tokens/writer")
    assert read.json()["token"].encode() not in (here.data_dir / "control/seawall.db").read_bytes()


def test_the_client_does_everything_with_views(here: Served) -> None:
    port = free_port()
    with Client.for_data_dir(here.data_dir) as client:
        first = list(client.apply(sources(site_text(port)), author="ann", message="first"))[-1]
        assert isinstance(first, Applied)
        second = list(client.apply(sources(site_text(port, timeout="7s")), author="ann"))[-1]
        assert isinstance(second, Applied)
        assert second.release is not None
        assert client.show(second.release.id).release.author == "ann"
        assert not client.diff(sources(site_text(port))).identical
        *steps, back = client.rollback()
        assert isinstance(back, Applied)
        assert {"compile", "taster"}.isdisjoint(e.stage for e in steps if isinstance(e, Progress))
        status = client.status()
        assert status.state == "serving", status
        assert status.nodes[0].release == status.current.id if status.current else False
        page = client.releases(limit=1)
        assert client.releases(limit=1, before=page.releases[0].id).releases != page.releases
        with pytest.raises(NotFoundError, match="r77777"):
            client.show("r77777")
        with pytest.raises(UsageError):
            client.create_token("bad name")
        assert client.audit(limit=3).entries
        assert re.search(r"^seawall_releases \d", client.metrics(), re.MULTILINE)


def test_deeds_without_an_author_of_their_own_are_recorded_for_who_asks(here: Served) -> None:
    with Client.for_data_dir(here.data_dir) as client:
        client.speak_for("ann (as sëawall)")
        made = client.create_token("deploy", scopes=("read", "write"))
        with Client.for_url(f"http://127.0.0.1:{here.tcp_port}", made.token) as distant:
            distant.speak_for("bob")
            distant.create_token("of-bob")
        client.revoke_token("of-bob")
        entries = client.audit(limit=3).entries
    assert [(entry.who, entry.what) for entry in entries] == [
        ("ann (as sëawall)", "token-revoked"),
        ("bob (token deploy)", "token-created"),
        ("ann (as sëawall)", "token-created"),
    ]


def test_nobody_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    for data_dir in (tmp_path, tmp_path / "none"):
        with pytest.raises(UnreachableError, match="not running") as told:  # noqa: SIM117 - the error is the point
            with Client.for_data_dir(data_dir) as client:
                client.status()
        assert "seawall up" in told.value.remedy
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / "control.sock"))
    stale.close()
    with pytest.raises(SeawallError, match="not running"), Client.for_data_dir(tmp_path) as client:
        client.status()
    assert not is_running(tmp_path)
