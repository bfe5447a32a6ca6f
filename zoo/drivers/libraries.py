"""HTTP libraries from PyPI, each as its users write it; run in the interpreter that has them."""

import asyncio
import random
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from typing import Any

from zoo.drivers.common import REQUEST_TIMEOUT_S, Send, Work, play, scripted

_FORM = "application/x-www-form-urlencoded"


def main() -> None:
    """Perform sessions with the library that the options name."""

    def perform(work: Work) -> int:
        if work.options["library"] == "aiohttp":
            return asyncio.run(_aiohttp(work))
        return scripted(work, LIBRARIES[str(work.options["library"])](work))

    play(perform)


def _typed(headers: dict[str, str], body: bytes) -> dict[str, str]:
    return {**headers, "content-type": _FORM} if body else headers


def _urllib(work: Work) -> Send:
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=work.authority))
    ]
    if work.cookies:
        handlers.append(urllib.request.HTTPCookieProcessor(CookieJar()))
    opener = urllib.request.build_opener(*handlers)

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        asked = urllib.request.Request(url, body or None, _typed(headers, body), method=method)  # noqa: S310 - the zoo's own URL
        try:
            return opener.open(asked, timeout=REQUEST_TIMEOUT_S).read()
        except urllib.error.HTTPError as error:
            return error.read()

    return send


def _requests(work: Work) -> Send:
    import requests

    if not work.options.get("session", True):
        return _requests_by(requests, work)
    session = requests.Session()
    inner = _requests_by(session, work)

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        if not work.cookies:
            session.cookies.clear()
        return inner(method, url, headers, body)

    return send


def _niquests(work: Work) -> Send:
    import niquests

    return _requests_by(niquests.Session(), work)


def _requests_by(session: Any, work: Work) -> Send:
    """Requests by what has the methods of a `requests.Session`."""

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        return session.request(
            method,
            url,
            headers=_typed(headers, body),
            data=body or None,
            verify=work.authority,
            timeout=REQUEST_TIMEOUT_S,
        ).content

    return send


def _httpx(work: Work) -> Send:
    import httpx

    client = httpx.Client(
        http2=bool(work.options.get("http2")),
        verify=ssl.create_default_context(cafile=work.authority),
        follow_redirects=True,
        timeout=REQUEST_TIMEOUT_S,
    )

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        if not work.cookies:
            client.cookies.clear()
        return client.request(
            method, url, headers=_typed(headers, body), content=body or None
        ).content

    return send


async def _aiohttp(work: Work) -> int:
    import aiohttp

    context, done = ssl.create_default_context(cafile=work.authority), 0
    jar = aiohttp.CookieJar() if work.cookies else aiohttp.DummyCookieJar()
    limit = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    async with aiohttp.ClientSession(cookie_jar=jar, timeout=limit) as session:
        for step in work.steps:
            await asyncio.sleep(step["pause_s"])
            body = step["body"].encode()
            headers = _typed(dict(step["headers"]), body)
            async with session.request(
                step["method"],
                work.base + step["path"],
                headers=headers,
                data=body or None,
                ssl=context,
            ) as answer:
                await answer.read()
                done += 1
    return done


def _curl_cffi(work: Work) -> Send:
    from curl_cffi import requests

    profile = random.Random(work.seed).choice(work.options["profiles"])
    # A file of authorities is taken, too, which its types do not say.
    authority: Any = work.authority
    session: Any = requests.Session(impersonate=profile or None, verify=authority)

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        if not work.cookies:
            session.cookies.clear()
        return session.request(
            method, url, headers=_typed(headers, body), data=body or None, timeout=REQUEST_TIMEOUT_S
        ).content

    return send


def _tls_client(work: Work) -> Send:
    import tls_client

    profile = random.Random(work.seed).choice(work.options["profiles"])
    session = tls_client.Session(client_identifier=profile, random_tls_extension_order=True)

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        # Its Go core reads no other authorities than the system's.
        return session.execute_request(
            method,
            url,
            headers=_typed(headers, body),
            data=body or None,
            insecure_skip_verify=True,
            timeout_seconds=REQUEST_TIMEOUT_S,
            allow_redirects=True,
        )

    return send


def _primp(work: Work) -> Send:
    import primp

    profile = random.Random(work.seed).choice(work.options["profiles"])
    system = random.Random(work.seed).choice(("windows", "macos", "linux"))
    client: Any = primp.Client(
        impersonate=profile,
        impersonate_os=system,
        ca_cert_file=work.authority,
        cookie_store=work.cookies,
        timeout=REQUEST_TIMEOUT_S,
    )

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        return client.request(
            method, url, headers=_typed(headers, body), content=body or None
        ).content

    return send


def _wreq(work: Work) -> Send:
    from pathlib import Path

    import wreq
    from wreq.blocking import Client
    from wreq.emulation import Profile

    profile = getattr(Profile, random.Random(work.seed).choice(work.options["profiles"]))
    client = Client(emulation=profile, tls_verify=Path(work.authority), cookie_store=work.cookies)

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        more: dict[str, Any] = {"body": body} if body else {}
        asked = client.request(
            getattr(wreq.Method, method), url, headers=_typed(headers, body), **more
        )
        return asked.bytes()

    return send


def _httpcloak(work: Work) -> Send:
    import httpcloak

    profile = random.Random(work.seed).choice(work.options["profiles"])
    session = httpcloak.Session(
        preset=profile, verify=False, disable_http3=True, without_cookie_jar=not work.cookies
    )

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        return session.request(method, url, headers=_typed(headers, body), data=body or None)

    return send


def _mechanize(work: Work) -> Send:
    import mechanize

    browser = mechanize.Browser()
    browser.set_handle_robots(False)
    browser.set_ca_data(context=ssl.create_default_context(cafile=work.authority))

    own = list(browser.addheaders)

    def send(_method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        replaced = {name.lower() for name in headers}
        browser.addheaders = [pair for pair in own if pair[0].lower() not in replaced]
        browser.addheaders += headers.items()
        try:
            return browser.open(url, body or None, timeout=REQUEST_TIMEOUT_S).read()
        except mechanize.HTTPError as error:
            return error.code

    return send


def _feedparser(_work: Work) -> Send:
    import feedparser

    def send(_method: str, url: str, _headers: dict[str, str], _body: bytes) -> object:
        found = feedparser.parse(url)
        if "status" not in found:
            raise OSError(str(found.get("bozo_exception")))
        return found

    return send


def _browserforge(work: Work) -> Send:
    """`requests` with headers that a model of real browsers made up."""
    from browserforge.headers import HeaderGenerator

    made = HeaderGenerator().generate()
    inner = _requests(work)

    def send(method: str, url: str, headers: dict[str, str], body: bytes) -> object:
        return inner(method, url, {**made, **headers}, body)

    return send


LIBRARIES: dict[str, Callable[[Work], Send]] = {
    "urllib": _urllib,
    "requests": _requests,
    "niquests": _niquests,
    "httpx": _httpx,
    "curl_cffi": _curl_cffi,
    "tls_client": _tls_client,
    "primp": _primp,
    "wreq": _wreq,
    "httpcloak": _httpcloak,
    "mechanize": _mechanize,
    "feedparser": _feedparser,
    "browserforge": _browserforge,
}

if __name__ == "__main__":
    main()
