"""Signed requests: the draft's vectors, two independent signers, and what must not pass."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from seawall import limits
from seawall.verify import keys, signature
from seawall.verify.agent_url import WELL_KNOWN, canonical
from seawall.verify.fields import dictionary, serialize
from seawall.verify.keys import Key
from seawall.verify.outcome import Outcome
from seawall.verify.signature import Candidate, Refusal, Request, check, read
from verify.signing import AGENT, GET, NOW, jwk, public, sign, sign_with_library

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
RSA = rsa.generate_private_key(65_537, 2_048)
EC = ec.generate_private_key(ec.SECP256R1())

# RFC 9421 appendix B.1 and draft-ietf-webbotauth-httpsig-protocol-00 appendix E.
TEST_ED = {"kty": "OKP", "crv": "Ed25519", "x": "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}
TEST_RSA = {
    "kty": "RSA",
    "e": "AQAB",
    "n": "r4tmm3r20Wd_PbqvP1s2-QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-"
    "oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuY"
    "LPL-Wokqltd11nqqzi-bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GV"
    "AdVw9lq4aOT9v6d-nb4bnNkQVklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w",
}
ED_ID = "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U"
RSA_ID = "oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA"
DICTIONARY = 'agent2="https://signature-agent.test"'
LEGACY = '"https://signature-agent.test"'
VECTORS = {
    "ed25519": (
        TEST_ED,
        DICTIONARY,
        (
            'sig2=("@authority" "signature-agent";key="agent2");created=1735689600;'
            f'keyid="{ED_ID}";alg="ed25519";expires=4889289600;'
            'nonce="n9p433xm+NJ3ph3upfBIGmsuwHw387YV7Q/F+6BSpGCVjYCqQw6rznNA8PVVLySrAWsv0hQtFioQb6E1Y'
            'sauiA==";tag="web-bot-auth"'
        ),
        (
            "sig2=:RdNFx5Bj6au3YgAMQL/RzmUlZE8QZLIaXGRpw985hWnwPfMxT228NMk6ehRS1PSl4e8PhbNZACSanGdhE"
            "wYCCg==:"
        ),
    ),
    "ed25519, legacy": (
        TEST_ED,
        LEGACY,
        (
            'sig2=("@authority" "signature-agent");created=1735689600;'
            f'keyid="{ED_ID}";alg="ed25519";expires=1735693200;'
            'nonce="e8N7S2MFd/qrd6T2R3tdfAuuANngKI7LFtKYI/vowzk4lAZYadIX6wW25MwG7DCT9RUKAJ0qVkU0mEeLE'
            'lW1qg==";tag="web-bot-auth"'
        ),
        (
            "sig2=:jdq0SqOwHdyHr9+r5jw3iYZH6aNGKijYp/EstF4RQTQdi5N5YYKrD+mCT1HA1nZDsi6nJKuHxUi/5Syp3"
            "rLWBA==:"
        ),
    ),
    "rsa": (
        TEST_RSA,
        DICTIONARY,
        (
            'sig2=("@authority" "signature-agent";key="agent2");created=1735689600;'
            f'keyid="{RSA_ID}";alg="rsa-pss-sha512";expires=4889289600;'
            'nonce="wcfPQPh7SzkvrIVvhD00vNk9PkxJNY2NVbYl2PVBB4zmUoluSwE7W6bPtF60QA3k8g06FU7PPCD+J58Yo'
            'fY1zg==";tag="web-bot-auth"'
        ),
        (
            "sig2=:gHzpLNeHaHIO19NaJH9YMW5dcVSi2s0wOMBr6p18vcofS106sfC4KBIS0/szPlBBd1vIcyQ88B6CTEWIh"
            "RAiVrb9zfX0mx1aG12CSGWcYkSirHeyTxhbuJvXd27ed6skWoy4PjXItq38936ivUQjfdIwXh1aX6HxkAC3vRnEd"
            "SNfntkLWeEuIQ5BLIOBGE39fSwg27Qjq6OVWYas/9/aFUr3HA34MXWYdp+//cvlEKDp3kRoLOw9ro0AOr6srHrTe"
            "Etxon2afcws1aZVSlPdd2fZSEIGmw9HAHLDCEkFTERu1gH2k/zIEqgy7CAYXI9E5slog0cLg/Vc6+f8gih33g==:"
        ),
    ),
    "rsa, legacy": (
        TEST_RSA,
        LEGACY,
        (
            'sig2=("@authority" "signature-agent");created=1735689600;'
            f'keyid="{RSA_ID}";alg="rsa-pss-sha512";expires=1735693200;'
            'nonce="XSHtZVCThSIAksXsH9WBs6AtxtXC0eQGiIcUGSoJstFs8lAWakjhrfwzLhyjtme5iXMZvmFWqDEs6cT3J'
            'f+BbQ==";tag="web-bot-auth"'
        ),
        (
            "sig2=:I1QWNzGXdP1a4dSvOHLCVOOanEYHDk+ZsVxM9MLX/p4ko69ghKwR5EOtAD96g7g4GWP7lmpM/jFAf9q8E"
            "FRDTPLjUXySwMv4YPgabv2LQihTJG2y8a2m6IGltyruwQNiqSJVUuRaG9+b17CGmAMFZh30X6GXLdQJrCARpeTqP"
            "wp2DC+a8haDE/VE5EruqzjA5/2mKwvrkzkSqeW5tOVtFwWRRHIOidquf/8Je6kM9mhgkg4arudLA5SL4wyyYE1jU"
            "RIgcOl8agrfdJ5Def23DIRtiOLRa8jT9cpTLFAuFHN+mrZA/LH9h0gSIg1cPb+0cMASee5uku1KjWcFer7jWA==:"
        ),
    ),
}
# Version 01 of the draft: the member of the own label.
VECTORS["ed25519, version 01"] = (
    TEST_ED,
    'sig2="https://signature-agent.test"',
    VECTORS["ed25519"][2].replace('key="agent2"', 'key="sig2"'),
    "sig2=:CGokAoY/FrPpyuzTe1Fb2kLTAH9Idw6qSFd1+D77r1firsMRCxeuLu5e6O+ek3zQgDMAzjiXtLVfqE00xnABCQ==:",
)
VECTORS["rsa, version 01"] = (
    TEST_RSA,
    'sig2="https://signature-agent.test"',
    VECTORS["rsa"][2].replace('key="agent2"', 'key="sig2"'),
    (
        "sig2=:iOCCPgZeV5D5KlfZLXIFQOZR2njqFiCMZIrb5HRRLrFZR5Wtpsn7HwbKfWYHqW3dYU7HV/RohjNg7fuyQ1Mdy2J4"
        "mya9JnQCZtCcIcOK/LM9Yc6g6ZTw0onurllrzEzuNQIFFkBTgPJZlA3rHioFrmDmn+nnN7HaC+it/PA2iGfENHYq9D3Ud7Z"
        "eDICmF1s5bsMgc+y+MxTPFQHxOEyhbCDjZbT5yeSkGP1Czczg7Cpf0Fz/wuF3mJJ7TL1mzQk3PPizXFr/EnjdUWri1/W8M/"
        "f93d389BFF+qbkISzAvOHEk5TqOoyrzzotTn3xmYN6SCGTHG42fK4rA4Ei0qCnnA==:"
    ),
)
VECTOR_TIME = 1_735_689_700


def _vector(name: str) -> tuple[Key, Request]:
    jwk_data, agent, inputs, signature = VECTORS[name]
    key = keys.read(jwk_data)
    assert key is not None
    headers = {"signature-agent": agent, "signature-input": inputs, "signature": signature}
    return key, Request("GET", "https", "example.com", "/", headers)


def _only(request: Request, *, now_s: float = NOW + 1) -> Candidate:
    (found,) = read(request, now_s=now_s)
    assert isinstance(found, Candidate), found
    return found


def _verify(request: Request, key: Key, *, now_s: float = NOW + 1) -> tuple[Outcome, str]:
    """One request with one key that its directory holds."""
    results = read(request, now_s=now_s)
    if not results:
        return Outcome.UNKNOWN, "none"
    (found,) = results
    if isinstance(found, Refusal):
        return Outcome.UNKNOWN, found.reason
    if found.directory != AGENT + WELL_KNOWN:
        return Outcome.UNKNOWN, "other-directory"
    return check(found, key, now_s=now_s)


@pytest.mark.parametrize("name", VECTORS)
def test_the_vectors_of_the_draft_verify(name: str) -> None:
    key, request = _vector(name)
    # Two of the vectors live longer than a day: their bases are right, their lifetimes are not.
    if "4889289600" in request.headers["signature-input"]:
        (refused,) = read(request, now_s=VECTOR_TIME)
        assert refused == Refusal("sig2", "lifetime-too-long")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "SIGNATURE_LIFETIME_S_MAX", 10**10)
            found = _only(request, now_s=VECTOR_TIME)
    else:
        found = _only(request, now_s=VECTOR_TIME)
    assert found.directory == "https://signature-agent.test" + WELL_KNOWN
    assert found.keyid == key.thumbprint
    assert check(found, key, now_s=VECTOR_TIME) == (Outcome.VERIFIED, "")
    wrong = replace(found, base=found.base + b" ")
    assert check(wrong, key, now_s=VECTOR_TIME) == (Outcome.IMPOSTOR, "signature-wrong")


def test_a_signature_of_the_rfc_has_the_base_of_the_rfc() -> None:
    """RFC 9421 B.2.6: no Web Bot Auth, so only base and signature are looked at."""
    base = (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@method": POST\n"@path": /foo\n'
        '"@authority": example.com\n"content-type": application/json\n"content-length": 18\n'
        '"@signature-params": ("date" "@method" "@path" "@authority" "content-type" '
        '"content-length");created=1618884473;keyid="test-key-ed25519"'
    )
    (value,) = dictionary(
        "a=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw"
        "==:"
    ).values()
    key = keys.read(TEST_ED)
    assert key is not None
    assert isinstance(value.value, bytes)  # type: ignore[union-attr] # - an item by its text
    assert key.verifies(value.value, base.encode())  # type: ignore[union-attr] # - as above


def test_example_keys_are_in_no_directory() -> None:
    body = json.dumps({"keys": [TEST_ED, TEST_RSA, jwk(ED)]}).encode()
    assert set(keys.directory(body)) == {public(ED).thumbprint}
    assert set(keys.directory(body, refuse=frozenset())) >= {ED_ID, RSA_ID}


@pytest.mark.parametrize("private", [ED, RSA, EC], ids=["ed25519", "rsa", "ecdsa"])
@pytest.mark.parametrize(
    "covered",
    [
        ("@authority", '"signature-agent";key="sig"'),
        ("@target-uri", '"signature-agent";key="sig"'),
        ("@authority", "@method", "@path", "@query", "@scheme", '"signature-agent";key="sig"'),
        ("user-agent", "@authority", '"signature-agent";key="sig"'),
    ],
)
def test_both_signers_are_verified(private: Any, covered: tuple[str, ...]) -> None:
    quoted = " ".join(name if name.startswith('"') else f'"{name}"' for name in covered)
    assert _verify(sign(private, covered=quoted), public(private)) == (Outcome.VERIFIED, "")
    by_library = sign_with_library(private, *covered)
    assert _verify(by_library, public(private)) == (Outcome.VERIFIED, "")


def test_the_older_form_of_signature_agent_is_taken() -> None:
    request = sign(ED, covered='"@authority" "signature-agent"', agent=f'"{AGENT}"')
    assert _verify(request, public(ED)) == (Outcome.VERIFIED, "")


def test_ports_and_case_of_the_host_do_not_matter() -> None:
    request = replace(sign(ED), authority="SHOP.example:443")
    assert _verify(request, public(ED)) == (Outcome.VERIFIED, "")


@pytest.mark.parametrize(
    "query",
    [
        "b=1",
        "b=a%20b&c=2",
        "b=with+plus",
        "b=",
        "b=%7E*-._~%2F",
        "b=fa%C3%A7ade%22",
        "a=1&b=%E2%82%AC",
    ],
)
def test_one_parameter_of_the_query_can_be_covered(query: str) -> None:
    covered = ("@authority", '"@query-param";name="b"', '"signature-agent";key="sig"')
    request = sign_with_library(ED, *covered, query=query)
    assert _verify(request, public(ED)) == (Outcome.VERIFIED, "")
    other = replace(request, path="/a?b=other&c=2")
    assert _verify(other, public(ED)) == (Outcome.IMPOSTOR, "signature-wrong")
    twice = replace(request, path=f"/a?{query}&b=1")
    assert _verify(twice, public(ED)) == (Outcome.UNKNOWN, "component-missing")


def test_a_query_is_read_once_however_many_parameters_are_covered_and_none_of_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Read for each of them, one request held the bot service up for seconds."""
    reads: list[str] = []

    def counted(query: str, **more: Any) -> list[tuple[str, str]]:
        reads.append(query)
        return parse_qsl(query, **more)

    monkeypatch.setattr(signature, "parse_qsl", counted)
    names = [f"b{number}" for number in range(20)]
    covered = [f'"@query-param";name="{name}"' for name in names]
    query = "&".join(f"{name}=1" for name in names)
    request = sign_with_library(
        ED, "@authority", *covered, '"signature-agent";key="sig"', query=query
    )
    assert _verify(request, public(ED)) == (Outcome.VERIFIED, "")
    assert len(reads) == 1
    most = f"&{'a&' * limits.SIGNATURE_QUERY_PARAMETERS_MAX}"
    longer = replace(request, path=request.path + most)
    assert _verify(longer, public(ED)) == (Outcome.UNKNOWN, "query-too-long")
    assert len(reads) == 1


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("https://bot.example", f"https://bot.example{WELL_KNOWN}"),
        ("https://bot.example/", f"https://bot.example{WELL_KNOWN}"),
        (f"https://bot.example{WELL_KNOWN}", f"https://bot.example{WELL_KNOWN}"),
        ("HTTPS://BOT.example:443", f"https://bot.example{WELL_KNOWN}"),
        ("https://bot.example:0444/a", "https://bot.example:444/a"),
        ("https://bot.example/Keys.json?v=2", "https://bot.example/Keys.json"),
        ("https://bot.example?v=2", f"https://bot.example{WELL_KNOWN}"),
        ("https://bot.example:0/", None),
        ("https://bot.example:/", None),
        ("https://-bot.example", None),
        ("https://bot.example\\@evil.example", None),
        ("https://[::1]/", None),
        ("http://bot.example", None),
        ("https://bot.example/ü", None),
        ("https://bot.example/\n", None),
        (5, None),
    ],
)
def test_one_directory_has_one_address(value: object, address: str | None) -> None:
    assert canonical(value) == address
    if address is not None:
        assert canonical(address) == address


USUAL = f';created={NOW};expires={NOW + 60};keyid="KEYID";tag="web-bot-auth"'
COVER = '"@authority" "signature-agent";key="sig"'
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no lifetime": ({"parameters": ';keyid="KEYID";tag="web-bot-auth"'}, "no-lifetime"),
    "no created": ({"parameters": USUAL.replace(f"created={NOW};", "")}, "no-lifetime"),
    "no expires": ({"parameters": USUAL.replace(f"expires={NOW + 60};", "")}, "no-lifetime"),
    "created is a string": (
        {"parameters": USUAL.replace(f"created={NOW}", f'created="{NOW}"')},
        "no-lifetime",
    ),
    "created is a decimal": (
        {"parameters": USUAL.replace(f"created={NOW}", f"created={NOW}.0")},
        "no-lifetime",
    ),
    "created is true": ({"parameters": USUAL.replace(f"created={NOW}", "created")}, "no-lifetime"),
    "a day and a second": (
        {"parameters": USUAL.replace(f"{NOW + 60}", f"{NOW + 86_401}")},
        "lifetime-too-long",
    ),
    "ends before it begins": (
        {"parameters": USUAL.replace(f"{NOW + 60}", f"{NOW - 1}")},
        "lifetime-too-long",
    ),
    "created later": (
        {"parameters": USUAL.replace(f"={NOW};", f"={NOW + 32};")},
        "created-in-the-future",
    ),
    "no keyid": ({"parameters": USUAL.replace('keyid="KEYID";', "")}, "keyid-no-thumbprint"),
    "keyid is a name": ({"parameters": USUAL.replace("KEYID", "my-key")}, "keyid-no-thumbprint"),
    "keyid is a token": (
        {"parameters": USUAL.replace('"KEYID"', "a" * 43)},
        "keyid-no-thumbprint",
    ),
    "keyid is bytes": ({"parameters": USUAL.replace('"KEYID"', ":AAAA:")}, "keyid-no-thumbprint"),
    "hmac": ({"parameters": USUAL + ';alg="hmac-sha256"'}, "algorithm-not-allowed"),
    "no algorithm of ours": ({"parameters": USUAL + ';alg="none"'}, "algorithm-not-allowed"),
    "algorithm is a token": ({"parameters": USUAL + ";alg=ed25519"}, "algorithm-not-allowed"),
    "nonce is a token": ({"parameters": USUAL + ";nonce=n"}, "malformed"),
    "algorithm is a number": ({"parameters": USUAL + ";alg=5"}, "algorithm-not-allowed"),
    "algorithm of another key": (
        {"parameters": USUAL + ';alg="rsa-pss-sha512"'},
        "algorithm-mismatch",
    ),
    "nonce is a number": ({"parameters": USUAL + ";nonce=7"}, "malformed"),
    "covers no host": ({"covered": '"@path" "signature-agent";key="sig"'}, "authority-not-covered"),
    "covers nothing": ({"covered": ""}, "authority-not-covered"),
    "covers no agent": ({"covered": '"@authority"'}, "signature-agent-not-covered"),
    "no agent": ({"covered": '"@authority"', "agent": None}, "no-signature-agent"),
    "covers an absent agent": ({"agent": None}, "component-not-supported"),
    "covers another's agent": ({"agent": f'other="{AGENT}"'}, "component-missing"),
    "agent over http": ({"agent": 'sig="http://bot.example"'}, "signature-agent-no-address"),
    "agent with a user": ({"agent": 'sig="https://a@bot.example"'}, "signature-agent-no-address"),
    "agent with a fragment": (
        {"agent": 'sig="https://bot.example#x"'},
        "signature-agent-no-address",
    ),
    "agent with a space": ({"agent": 'sig="https://bot.example /"'}, "signature-agent-no-address"),
    "agent without a host": ({"agent": 'sig="https:///x"'}, "signature-agent-no-address"),
    "agent is very long": (
        {"agent": f'sig="https://bot.example/{"x" * 600}"'},
        "signature-agent-no-address",
    ),
    "agent's port is none": (
        {"agent": 'sig="https://bot.example:99999"'},
        "signature-agent-no-address",
    ),
    "agent is a token": ({"agent": "sig=bot.example"}, "signature-agent-no-address"),
    "agent is data": ({"agent": 'sig="data:application/json,x"'}, "signature-agent-no-address"),
    "agent by a key set": (
        {"agent": f'sig="{AGENT}";type=jwks_uri'},
        "discovery-not-supported",
    ),
    "agent of an older type": (
        {"agent": f'sig="{AGENT}";type=directory'},
        "discovery-not-supported",
    ),
    "agent is a list": ({"agent": f'sig=("{AGENT}")'}, "malformed"),
    "agent twice": ({"agent": f'sig="{AGENT}", sig="{AGENT}"'}, "malformed"),
    "component twice": ({"covered": f'"@authority" {COVER}'}, "component-twice"),
    "query-param without a name": (
        {"covered": f'{COVER} "@query-param"'},
        "component-not-supported",
    ),
    "query-param of a token": (
        {"covered": f'{COVER} "@query-param";name=b'},
        "component-not-supported",
    ),
    "query-param and more": (
        {"covered": f'{COVER} "@query-param";name="b";x'},
        "component-not-supported",
    ),
    "query-param that is absent": (
        {"covered": f'{COVER} "@query-param";name="c"'},
        "component-missing",
    ),
    "status": ({"covered": f'{COVER} "@status"'}, "component-not-supported"),
    "request-target": ({"covered": f'{COVER} "@request-target"'}, "component-not-supported"),
    "unknown derived": ({"covered": f'{COVER} "@nothing"'}, "component-not-supported"),
    "sf": ({"covered": f'{COVER} "user-agent";sf'}, "component-not-supported"),
    "bs": ({"covered": f'{COVER} "user-agent";bs'}, "component-not-supported"),
    "req": ({"covered": f'{COVER} "@method";req'}, "component-not-supported"),
    "key of another field": (
        {"covered": f'{COVER} "user-agent";key="a"'},
        "component-not-supported",
    ),
    "absent header": ({"covered": f'{COVER} "x-absent"'}, "component-missing"),
    "upper-case header": ({"covered": f'{COVER} "User-Agent"'}, "malformed"),
    "empty name": ({"covered": f'{COVER} ""'}, "malformed"),
    "component is a token": ({"covered": f"{COVER} date"}, "malformed"),
    "component is a number": ({"covered": f"{COVER} 5"}, "malformed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_proves_nothing_is_unknown_with_its_reason(case: str) -> None:
    options, reason = REFUSED[case]
    assert _verify(sign(ED, **options), public(ED)) == (Outcome.UNKNOWN, reason)


@pytest.mark.parametrize(
    "parameters",
    [
        USUAL.replace("web-bot-auth", "other"),
        USUAL.replace(';tag="web-bot-auth"', ""),
        USUAL.replace('"web-bot-auth"', "web-bot-auth"),
    ],
)
def test_signatures_for_something_else_are_passed_over(parameters: str) -> None:
    assert read(sign(ED, parameters=parameters), now_s=NOW) == ()


def test_no_signature_at_all_is_nothing() -> None:
    assert read(GET, now_s=NOW) == ()


@pytest.mark.parametrize("at_s", [NOW + 60, NOW + 10**6, float("inf")])
def test_an_expired_signature_is_unknown(at_s: float) -> None:
    assert _verify(sign(ED), public(ED), now_s=at_s) == (Outcome.UNKNOWN, "expired")


CHANGED = {
    "host": {"authority": "other.example"},
    "port": {"authority": "shop.example:444"},
    "host with a dot": {"authority": "shop.example."},
    "method": {"method": "POST"},
    "query": {"path": "/a?b=2"},
    "no query": {"path": "/a"},
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_request_that_was_changed_is_an_impostors(what: str) -> None:
    signed = sign(ED, covered=f'{COVER} "@method" "@query"')
    assert _verify(signed, public(ED)) == (Outcome.VERIFIED, "")
    changed = replace(signed, **CHANGED[what])
    assert _verify(changed, public(ED)) == (Outcome.IMPOSTOR, "signature-wrong")


@pytest.mark.parametrize("part", ["@path", "@target-uri"])
def test_a_path_that_is_not_what_was_signed_proves_nothing(part: str) -> None:
    """Envoy tells it in its normal form, and the signer signed what it sent."""
    signed = sign(ED, covered=f'{COVER} "{part}"')
    assert _verify(signed, public(ED)) == (Outcome.VERIFIED, "")
    changed = replace(signed, path="/b?b=1")
    assert _verify(changed, public(ED)) == (Outcome.UNKNOWN, "wrong-or-rewritten")


def test_a_covered_header_that_was_changed_is_an_impostors() -> None:
    signed = sign(ED, covered=f'{COVER} "user-agent"')
    changed = replace(signed, headers=dict(signed.headers) | {"user-agent": "bot/2"})
    assert _verify(changed, public(ED)) == (Outcome.IMPOSTOR, "signature-wrong")


def test_parameters_are_signed_too() -> None:
    signed = sign(ED)
    for old, new in ((f"expires={NOW + 60}", f"expires={NOW + 61}"), (COVER, f'{COVER} "@query"')):
        headers = dict(signed.headers)
        headers["signature-input"] = headers["signature-input"].replace(old, new)
        outcome, _ = _verify(replace(signed, headers=headers), public(ED))
        assert outcome is Outcome.IMPOSTOR


def test_another_key_proves_nothing_and_a_forged_signature_excludes() -> None:
    assert _verify(sign(ED), public(OTHER)) == (Outcome.UNKNOWN, "other-key")
    forged = sign(OTHER, parameters=USUAL.replace("KEYID", public(ED).thumbprint))
    assert _verify(forged, public(ED)) == (Outcome.IMPOSTOR, "signature-wrong")


def test_keys_have_their_own_times() -> None:
    for more in ({"exp": NOW}, {"nbf": NOW + 100}, {"exp": float("nan")}):
        key = public(ED, **more)
        assert _verify(sign(ED), key) == (Outcome.UNKNOWN, "key-not-valid-now")
    assert _verify(sign(ED), public(ED, nbf=NOW, exp=NOW + 99)) == (Outcome.VERIFIED, "")


def test_plain_http_proves_nothing() -> None:
    assert _verify(replace(sign(ED), scheme="http"), public(ED)) == (
        Outcome.UNKNOWN,
        "not-https",
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signature", ""),
        ("signature", "sig"),
        ("signature", "sig=abc"),
        ("signature", 'sig="abc"'),
        ("signature", "sig=:abc:"),
        ("signature", "sig=:====:"),
        ("signature", "sig=:AAA"),
        ("signature", "other=:AAAA:"),
        ("signature", "x" * (limits.SIGNATURE_FIELD_SIZE_BYTES_MAX + 1)),
        ("signature-input", "sig=("),
        ("signature-input", 'sig=("@authority"'),
        ("signature-input", 'sig=("@authority"),'),
        ("signature-input", 'sig=("@authority") more'),
        ("signature-input", 'SIG=("@authority")'),
        ("signature-input", 'sig=("\xe9")'),
        ("signature-input", 'sig=("a"\n)'),
        ("signature-input", "sig=(" + '"a" ' * 100 + ")"),
        ("signature-input", ",".join(f"s{n}=()" for n in range(100))),
        ("signature-agent", '"'),
        ("signature-agent", "sig=?2"),
        ("signature-agent", 'sig="\x00"'),
        ("signature-agent", "sig=" + "9" * 20),
    ],
)
def test_malformed_fields_are_unknown(name: str, value: str) -> None:
    signed = sign(ED)
    bent = replace(signed, headers=dict(signed.headers) | {name: value})
    outcome, reason = _verify(bent, public(ED))
    assert outcome is Outcome.UNKNOWN
    assert reason in {"malformed", "no-signature", "none"}


def test_each_signature_of_a_request_stands_for_itself() -> None:
    one = sign(ED, label="one", covered='"@authority" "signature-agent";key="sig"')
    two = sign(OTHER, label="two", covered='"@authority"')
    headers = dict(one.headers)
    for name in ("signature-input", "signature"):
        headers[name] = f"{one.headers[name]}, {two.headers[name]}"
    first, second = read(replace(one, headers=headers), now_s=NOW + 1)
    assert isinstance(first, Candidate)
    assert check(first, public(ED), now_s=NOW + 1) == (Outcome.VERIFIED, "")
    assert second == Refusal("two", "signature-agent-not-covered")


def test_the_agent_of_the_own_label_counts_where_two_are_covered() -> None:
    agent = f'other="https://other.example", sig="{AGENT}"'
    request = sign(
        ED,
        agent=agent,
        covered='"@authority" "signature-agent";key="other" "signature-agent";key="sig"',
        values={'"signature-agent";key="other"': '"https://other.example"'},
    )
    assert _only(request).directory == AGENT + WELL_KNOWN
    unclear = sign(ED, agent=agent, label="third", covered=(
        '"@authority" "signature-agent";key="other" "signature-agent";key="sig"'
    ))  # fmt: skip
    assert read(unclear, now_s=NOW) == (Refusal("third", "signature-agent-not-covered"),)


SIGNED = sign(ED, covered=f'{COVER} "@method" "@path" "@query" "user-agent"')


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["signature", "signature-input", "signature-agent"]), st.data())
def test_no_mutation_of_a_signed_request_verifies(name: str, data: st.DataObject) -> None:
    text = SIGNED.headers[name]
    at = data.draw(st.integers(0, len(text) - 1))
    sign_ = data.draw(st.characters(min_codepoint=9, max_codepoint=255))
    bent = text[:at] + sign_ + text[at + 1 :]
    if sign_ == text[at]:
        return
    outcome, _ = _verify(replace(SIGNED, headers=dict(SIGNED.headers) | {name: bent}), public(ED))
    assert outcome is not Outcome.VERIFIED or _same(bent, text)


def _same(bent: str, text: str) -> bool:
    """Whether a mutation changed only how a field is written, not what it says."""
    try:
        one, two = dictionary(bent), dictionary(text)
    except ValueError:
        return False
    return [*map(serialize, one.values())] == [*map(serialize, two.values())] and [*one] == [*two]
