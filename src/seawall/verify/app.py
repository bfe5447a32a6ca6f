"""How Envoy asks the bot service about a signed request.

`POST /internal/signature` on the service's Unix socket, without a body. What the signature may
cover comes in headers: `x-seawall-sig-method`, `-scheme`, `-authority`, `-path`, and each covered
header NAME of the request as `x-seawall-sig-h-NAME`. The answer is one line of text, see
`SignatureAnswer.text`, always with status 200: a question that makes no sense is "unknown". The
path is not below `/.well-known/seawall/`, which is all that Envoy routes here for clients.
"""

from typing import Final

from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from seawall import limits
from seawall.verify.service import Verifier
from seawall.verify.signature import Request

PATH: Final = "/internal/signature"
_PREFIX: Final = "x-seawall-sig-"
_HEADER_PREFIX: Final = _PREFIX + "h-"


def verify_routes(verifier: Verifier) -> list[Route]:
    """The routes of verification, for the bot service's application."""

    async def signature(http: HttpRequest) -> Response:
        question = asked(http.headers.items())
        if question is None:
            return PlainTextResponse("unknown - no-question")
        return PlainTextResponse((await verifier.signature(question)).text())

    return [Route(PATH, signature, methods=["POST"])]


def asked(headers: list[tuple[str, str]]) -> Request | None:
    """The request that a question is about; None when the question lacks a part."""
    parts = {
        name.removeprefix(_PREFIX): value for name, value in headers if name.startswith(_PREFIX)
    }
    if not {"method", "scheme", "authority", "path"} <= set(parts):
        return None
    covered: dict[str, str] = {}
    for name, value in headers:
        if name.startswith(_HEADER_PREFIX):
            own = name.removeprefix(_HEADER_PREFIX)
            covered[own] = f"{covered[own]}, {value}" if own in covered else value
    if len(covered) > limits.SIGNATURE_HEADERS_MAX:
        return None
    return Request(parts["method"], parts["scheme"], parts["authority"], parts["path"], covered)
