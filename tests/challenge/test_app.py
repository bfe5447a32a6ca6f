"""The service over a real Unix socket, spoken to as Envoy speaks."""

import asyncio
import base64
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from challenge.lua_clearance import NOW_S, LuaClearance
from challenge.workplace import BOUND, CLEARANCE, HEADERS, Workplace, answer, served
from seawall.challenge.binding import b64
from seawall.challenge.page import PLACE
from seawall.challenge.pool import KernelPool
from seawall.challenge.puzzle import key_of, make_kernel
from seawall.limits import (
    CHALLENGE_ANSWER_SIZE_BYTES_MAX,
    CHALLENGE_FORM_SIZE_BYTES_MAX,
    CHALLENGE_QUERY_SIZE_BYTES_MAX,
)

JSON = {"content-type": "application/json"}
PUBLIC = ["solve", "refresh", "style.css", "script.js", "worker.js", "argon2.umd.min.js"]


def over_socket(
    tmp_path: Path, place: Workplace, talk: Callable[[httpx.AsyncClient], Awaitable[None]]
) -> None:
    async def run() -> None:
        async with served(place.tools, tmp_path / "bots.sock") as client:
            await talk(client)

    asyncio.run(run())


async def ask(client: httpx.AsyncClient, body: bytes = b"", **headers: str) -> httpx.Response:
    said = {
        "x-seawall-method": "GET",
        "x-seawall-path": "/shop?a=1",
        "x-seawall-level": "1",
        "x-seawall-request-id": "0f-1",
    }
    said |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/internal/challenge", headers=said, content=body)


def challenge_of(page: httpx.Response) -> tuple[str, str]:
    found = re.search(r'data-challenge="([^"]+)"', page.text)
    assert found
    return found[1], found[1].split(".")[6]


def test_a_visitor_passes_and_envoy_takes_the_clearance(tmp_path: Path) -> None:
    place = Workplace()

    async def talk(client: httpx.AsyncClient) -> None:
        page = await ask(client, accept_language="ja")
        assert page.status_code == 403
        assert 'lang="ja"' in page.text
        text, nonce = challenge_of(page)
        style = await client.get(f"{PLACE}style.css?c={nonce}")
        proof = style.text.rpartition('--seawall-proof:"')[2].partition('"')[0]
        echo = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        body = answer(text, nonce, s=proof)
        reply = await client.post(f"{PLACE}solve", content=body, headers=JSON | echo)
        assert reply.json() == {"do": "go", "to": "/shop?a=1"}
        set_cookie = reply.headers.get_list("set-cookie")[0]
        token = set_cookie.partition(f"{CLEARANCE}=")[2].partition(";")[0]
        for word in ("Path=/", "HttpOnly", "SameSite=None", "Secure", "Max-Age="):
            assert f"; {word}" in set_cookie
        found = LuaClearance(7).check(token, BOUND.host, BOUND.prefix, BOUND.ja4, NOW_S)
        assert found == (1, None, 0)

    over_socket(tmp_path, place, talk)


def test_real_work_is_solved_with_real_argon2(tmp_path: Path) -> None:
    place = Workplace()
    pool = KernelPool(lambda: make_kernel(os.urandom), size=1)
    object.__setattr__(place.tools, "kernels", pool)
    pool.start()

    async def talk(client: httpx.AsyncClient) -> None:
        page = await ask(client, x_seawall_level="3")
        cookies = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        text, nonce = challenge_of(page)
        assert pool.wait_ready(1, 20)
        url = f"{PLACE}solve"
        told = (await client.post(url, content=answer(text, nonce), headers=JSON | cookies)).json()
        puzzle = told["puzzle"]
        salt = base64.urlsafe_b64decode(puzzle["salt"] + "==")
        keys = (key_of(salt, counter) for counter in range(puzzle["tries"]))
        key = next(key for key in keys if b64(key).startswith(puzzle["prefix"][:10]))
        body = answer(text, nonce, p=puzzle["text"], k=b64(key))
        reply = await client.post(url, content=body, headers=JSON | cookies)
        assert reply.json()["do"] == "go"
        assert CLEARANCE in reply.headers["set-cookie"]

    try:
        over_socket(tmp_path, place, talk)
    finally:
        pool.stop()


@pytest.mark.parametrize("missing", HEADERS)
def test_a_request_that_envoy_did_not_mark_is_nobodys(tmp_path: Path, missing: str) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        del client.headers[missing]
        assert (await ask(client)).status_code == 400
        for name in PUBLIC:
            method = "POST" if name == "solve" else "GET"
            assert (await client.request(method, PLACE + name)).status_code == 400

    over_socket(tmp_path, Workplace(), talk)


@pytest.mark.parametrize(
    "wrong",
    [
        {"x-seawall-scheme": "gopher"},
        {"x-seawall-host": "x" * 400},
        {"x-seawall-prefix": "a b"},
        {"x-seawall-ja4": ""},
    ],
)
def test_marks_that_make_no_sense_are_none(tmp_path: Path, wrong: dict[str, str]) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        client.headers.update(wrong)
        assert (await ask(client)).status_code == 400

    over_socket(tmp_path, Workplace(), talk)


def test_a_host_without_policy_has_no_challenge(tmp_path: Path) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        # Envoy takes that for a service that is down.
        assert (await ask(client)).status_code == 503
        assert (await client.get(f"{PLACE}refresh?c=x")).status_code == 404

    over_socket(tmp_path, Workplace(policy=None), talk)


def test_a_fault_answers_500_without_a_clearance(tmp_path: Path) -> None:
    place = Workplace()

    def broken(_: object) -> None:
        raise RuntimeError("injected")

    async def talk(client: httpx.AsyncClient) -> None:
        page = await ask(client)
        cookies = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        object.__setattr__(place.tools, "observer", broken)
        body = answer(*challenge_of(page))
        reply = await client.post(f"{PLACE}solve", content=body, headers=JSON | cookies)
        assert reply.status_code == 500
        assert "set-cookie" not in reply.headers
        assert "injected" not in reply.text

    over_socket(tmp_path, place, talk)


def test_bodies_are_bounded_and_typed(tmp_path: Path) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        large = b"x" * (CHALLENGE_ANSWER_SIZE_BYTES_MAX + 1)
        reply = await client.post(f"{PLACE}solve", content=large, headers=JSON)
        assert reply.status_code == 413
        reply = await client.post(f"{PLACE}solve", content=b"{}")
        assert reply.status_code == 415
        form: dict[str, Any] = {
            "content_type": "application/x-www-form-urlencoded",
            "x_seawall_method": "POST",
            "sec_fetch_site": "same-origin",
        }
        page = await ask(client, b"a=" + b"x" * CHALLENGE_FORM_SIZE_BYTES_MAX, **form)
        assert "could not be kept" in page.text
        page = await ask(client, b"a=x", **form)
        assert 'name="a" value="x"' in page.text
        # A body that Envoy did not pass on is not an empty form.
        page = await ask(client, **form)
        assert "could not be kept" in page.text
        page = await ask(client, x_seawall_body="whole", **form)
        assert 'id="resend"' in page.text

    over_socket(tmp_path, Workplace(), talk)


def test_files_are_sent_compressed_with_a_long_life(tmp_path: Path) -> None:
    async def talk(client: httpx.AsyncClient) -> None:
        for name in ("script.js", "worker.js", "argon2.umd.min.js"):
            small = await client.get(PLACE + name, headers={"accept-encoding": "gzip"})
            plain = await client.get(PLACE + name, headers={"accept-encoding": "identity"})
            assert small.headers["content-encoding"] == "gzip"
            assert small.content == plain.content
            assert int(small.headers["content-length"]) < int(plain.headers["content-length"])
            assert "immutable" in plain.headers["cache-control"]
        assert (await client.get(f"{PLACE}style.css")).status_code == 404
        assert (await client.get(f"{PLACE}words.json")).status_code == 404

    over_socket(tmp_path, Workplace(), talk)


def test_odd_headers_never_fault(tmp_path: Path) -> None:
    odd = ["", "é", "\xff", "x" * 9_000, "//e", "/\\", "9" * 50, "-1", "nan", "../..", "%00"]

    async def talk(client: httpx.AsyncClient) -> None:
        for value in odd:
            for name in ("path", "method", "level", "request-id"):
                header = {f"x_seawall_{name.replace('-', '_')}": value}
                raw: Any = {key: text.encode("latin-1") for key, text in header.items()}
                assert (await ask(client, **raw)).status_code == 403
            for name in ("accept_language", "content_type", "cookie", "origin"):
                raw = {name: value.encode("latin-1")}
                assert (await ask(client, **raw)).status_code == 403

    over_socket(tmp_path, Workplace(), talk)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_long_query_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """64 clients that sent some at once held everybody's challenge up until the site let pass."""
    place = Workplace()

    def never(_: object) -> None:
        raise AssertionError

    async def talk(client: httpx.AsyncClient) -> None:
        monkeypatch.setattr(Request, "query_params", property(never))
        long = "&a" * (CHALLENGE_QUERY_SIZE_BYTES_MAX // 2)
        method = "POST" if name == "solve" else "GET"
        refused = await client.request(method, f"{PLACE}{name}?c={long}", headers=HEADERS)
        assert refused.status_code == 414

    over_socket(tmp_path, place, talk)
