"""How a machine becomes a node: a token that both sides can check, and a certificate for its key.

The token carries the fingerprint of the fleet's authority, so the node knows control before it says
a word of the token to it; the token's secret is what control knows the node by. The private key
stays here. Whatever goes wrong can be tried again with the same token until it is over.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from seawall.api.codec import from_json
from seawall.api.errors import error_from
from seawall.api.views import ErrorView
from seawall.errors import RefusedError, SeawallError, UnreachableError, UsageError
from seawall.exchange import Address, Answer, Line
from seawall.fleet.ca import SERVER_NAME, fingerprint_of
from seawall.fleet.client import SMALL_ANSWER_SIZE_BYTES_MAX, TIMEOUT_S, json_body, refusal_of
from seawall.fleet.identity import Identity
from seawall.fleet.shapes import JoinAnswer, JoinRequest
from seawall.fleet.tls import client_context, unverified_context
from seawall.release.signing import PublicKey, pin_public_key

_TOKEN: Final = re.compile(r"swj_([0-9a-f]{16}_[A-Za-z0-9_-]{43})_([0-9a-f]{64})")
_OK: Final = 200
_NOT_HERE: Final = 421
_FAILED_FROM: Final = 500


@dataclass(frozen=True, slots=True)
class Token:
    """A join token as typed: what control checks, and the fingerprint that the node checks."""

    secret: str
    fingerprint: bytes


def token_text(secret: str, fingerprint: bytes) -> str:
    """What `seawall token join` prints."""
    return f"swj_{secret}_{fingerprint.hex()}"


def parse_token(text: str) -> Token:
    """A join token as typed.

    Raises:
        UsageError: it is none.
    """
    match = _TOKEN.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            "join-token-malformed",
            "That is not a join token, or it is cut short.",
            remedy="Copy the whole command that `seawall token join` printed on control.",
        )
    return Token(match[1], bytes.fromhex(match[2]))


def parse_control(text: str) -> Address:
    """HOST:PORT or https://HOST:PORT.

    Raises:
        UsageError: it is neither.
    """
    parts = urlsplit(text if "://" in text else f"https://{text}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "https" or not parts.hostname or not port or parts.path not in {"", "/"}:
        raise UsageError(
            "control-address-invalid",
            f"{text[:200]!r} is not the address of a control process.",
            remedy="For example --control https://control.example.com:7443.",
        )
    return Address(parts.hostname, port)


async def join(
    identity: Identity, trusted: Path, controls: tuple[Address, ...], token: Token, name: str
) -> JoinAnswer:
    """Become a node; on return the identity and the key that signs releases are on disk.

    Args:
        identity: of this machine; an older one is replaced.
        trusted: file that pins the key that signs releases.
        controls: to ask, in this order.
        token: from `seawall token join`.
        name: what this machine calls itself.

    Raises:
        UnreachableError: no control process answers, or the disk does not take it.
        RefusedError: control is not the one of the token, or refuses it.
        ConflictError: the name is taken.
        UsageError: the name cannot be one.
    """
    request = identity.joining_request()
    failure: SeawallError | None = None
    for control in controls:
        try:
            answer = await _ask(control, token, name, request)
        except UnreachableError as error:
            failure = error
            continue
        pin_public_key(trusted, _signing_key(answer.signing_key))
        identity.joined(answer.node, controls, answer.certificate, answer.authority)
        return answer
    raise failure or UsageError("no-control", "No control process was named.")


async def _ask(control: Address, token: Token, name: str, request: bytes) -> JoinAnswer:
    asked = await _talk(replace(control, tls=unverified_context()), "GET", "/v1/ca")
    authority = asked.body
    if asked.status >= _FAILED_FROM:
        raise UnreachableError(
            "control-unreachable",
            f"{control} answers with HTTP {asked.status}.",
            remedy="Try again with the same token. If it happens again, check the address.",
        )
    if not _is_of(authority, token.fingerprint):
        raise RefusedError(
            "control-not-the-one",
            f"{control} is not the control process that made this token.",
            remedy="Check the address. If it is right, somebody intercepts the connection: do not "
            "join.",
        )
    body, headers = json_body(JoinRequest(token.secret, name, request.decode()))
    known = Address(control.host, control.port, client_context(authority), SERVER_NAME)
    answer = await _talk(known, "POST", "/v1/join", body, headers)
    if answer.status == _NOT_HERE and (leader := refusal_of(answer).leader):
        there = parse_control(leader)
        known = replace(known, host=there.host, port=there.port)
        answer = await _talk(known, "POST", "/v1/join", body, headers)
    if answer.status != _OK:
        refusal = refusal_of(answer)
        if answer.status == _NOT_HERE:  # none leads just now, or not that one: another may know
            raise UnreachableError(refusal.code, refusal.message, remedy=refusal.remedy)
        view = ErrorView(refusal.code, refusal.message, refusal.remedy)
        raise error_from(view, answer.status)
    return from_json(JoinAnswer, json.loads(answer.body), strict=False)


def _is_of(authority: bytes, fingerprint: bytes) -> bool:
    """Whether that is the authority; whatever stands at a wrong address sends no certificate."""
    try:
        return fingerprint_of(authority) == fingerprint
    except UsageError:
        return False


async def _talk(
    where: Address,
    method: str,
    target: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    line = Line(where)
    try:
        return await line.ask(
            method,
            target,
            timeout_s=TIMEOUT_S,
            size_bytes_max=SMALL_ANSWER_SIZE_BYTES_MAX,
            body=body,
            headers=headers,
        )
    except (OSError, ValueError) as error:
        raise UnreachableError(
            "control-unreachable",
            f"No control process answers at {where}: {str(error) or type(error).__name__}.",
            remedy="Check the address, the port and any firewall in between, and that `seawall "
            "control --listen-nodes` runs there.",
        ) from error
    finally:
        line.close()


def _signing_key(pem: str) -> PublicKey:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise UnreachableError("bad-answer", "Control sent no signing key.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UnreachableError("bad-answer", "Control sent a signing key of another kind.")
    return PublicKey(key)
