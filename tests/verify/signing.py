"""Signers of requests: one of our own with nothing but `cryptography`, one from another hand."""

import base64
import datetime as dt
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import http_message_signatures as hms
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

from seawall.verify.keys import Key, read
from seawall.verify.signature import Request

NOW = 1_800_000_000
AGENT = "https://bot.example"


def jwk(private: Any) -> dict[str, Any]:
    """The public half as a JSON Web Key."""

    def text(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).decode().rstrip("=")

    def number(value: int, length: int) -> str:
        return text(value.to_bytes(length, "big"))

    public = private.public_key()
    match public:
        case ed25519.Ed25519PublicKey():
            return {"kty": "OKP", "crv": "Ed25519", "x": text(public.public_bytes_raw())}
        case rsa.RSAPublicKey():
            n = public.public_numbers()
            return {"kty": "RSA", "n": number(n.n, public.key_size // 8), "e": "AQAB"}
        case _:
            p = public.public_numbers()
            return {"kty": "EC", "crv": "P-256", "x": number(p.x, 32), "y": number(p.y, 32)}


def public(private: Any, **more: Any) -> Key:
    key = read(jwk(private) | more)
    assert key is not None
    return key


def document(*privates: Any) -> bytes:
    """A key directory."""
    return json.dumps({"keys": [jwk(private) for private in privates]}).encode()


def raw_sign(private: Any, base: bytes) -> bytes:
    match private:
        case ed25519.Ed25519PrivateKey():
            return private.sign(base)
        case rsa.RSAPrivateKey():
            pss = padding.PSS(padding.MGF1(hashes.SHA512()), salt_length=64)
            return private.sign(base, pss, hashes.SHA512())
        case _:
            der = private.sign(base, ec.ECDSA(hashes.SHA256()))
            r, s = utils.decode_dss_signature(der)
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")


GET = Request("GET", "https", "shop.example", "/a?b=1", {"user-agent": "bot/1"})


def sign(
    private: Any,
    request: Request = GET,
    *,
    covered: str = '"@authority" "signature-agent";key="sig"',
    parameters: str | None = None,
    agent: str | None = f'sig="{AGENT}"',
    values: dict[str, str] | None = None,
    label: str = "sig",
) -> Request:
    """Sign as text, part by part, so that a test can bend any of them.

    `values` says what stands in the base for each covered component, beside the usual ones.
    """
    keyid = public(private).thumbprint
    if parameters is None:
        parameters = f';created={NOW};expires={NOW + 60};keyid="{keyid}";tag="web-bot-auth"'
    parameters = parameters.replace("KEYID", keyid)
    known = {
        '"@authority"': "shop.example",
        '"@method"': "GET",
        '"@path"': "/a",
        '"@query"': "?b=1",
        '"@scheme"': "https",
        '"@target-uri"': "https://shop.example/a?b=1",
        '"user-agent"': "bot/1",
        '"signature-agent"': agent or "",
        '"signature-agent";key="sig"': f'"{AGENT}"',
    } | (values or {})
    names = [f'"{part}' for part in covered.split(' "')]
    names = [name.replace('""', '"') for name in names]
    lines = [f"{name}: {known.get(name, 'x')}" for name in names if name != '"']
    inside = f"({covered}){parameters}"
    base = "\n".join([*lines, f'"@signature-params": {inside}'])
    signature = base64.b64encode(raw_sign(private, base.encode())).decode()
    headers = dict(request.headers) | {
        "signature-input": f"{label}={inside}",
        "signature": f"{label}=:{signature}:",
    }
    if agent is not None:
        headers["signature-agent"] = agent
    return replace(request, headers=headers)


def sign_with_library(private: Any, *covered: str, query: str = "b=1") -> Request:
    """Sign `GET` with `http-message-signatures`."""
    algorithm = {
        "ed25519": hms.algorithms.ED25519,
        "rsa-pss-sha512": hms.algorithms.RSA_PSS_SHA512,
        "ecdsa-p256-sha256": hms.algorithms.ECDSA_P256_SHA256,
    }[public(private).algorithm]

    class Keys(hms.HTTPSignatureKeyResolver):
        def resolve_private_key(self, key_id: str) -> Any:
            return private if key_id else None

        def resolve_public_key(self, key_id: str) -> Any:
            return private.public_key() if key_id else None

    message = SimpleNamespace(
        method="GET",
        url=f"https://shop.example/a?{query}",
        headers=hms.structures.CaseInsensitiveDict(
            {"user-agent": "bot/1", "signature-agent": f'sig="{AGENT}"'}
        ),
    )
    signer = hms.HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Keys())
    signer.sign(
        message,
        key_id=public(private).thumbprint,
        created=dt.datetime.fromtimestamp(NOW, dt.UTC),
        expires=dt.datetime.fromtimestamp(NOW + 60, dt.UTC),
        label="sig",
        tag="web-bot-auth",
        covered_component_ids=covered,
    )
    headers = {name.lower(): value for name, value in message.headers.items()}
    return replace(GET, path=f"/a?{query}", headers=headers)
