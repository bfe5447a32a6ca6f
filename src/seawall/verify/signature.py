"""Web Bot Auth: signed requests (RFC 9421, and the web-bot-auth draft on top of it).

Pure: facts of the request, keys and the time in, outcome out. `read` finds the signatures that
could be checked and says which key of which directory each needs; `check` checks one with its key.

Only a signature that is wrong under the very key it names makes an impostor. What cannot be read,
is too old, covers too little, or names a key that nobody has, proves nothing: unknown, with the
reason. So does a wrong one over what the edge writes otherwise, above all the path, of which it
makes the normal form: its signer signed what it sent. Replays inside of a signature's lifetime are
not told apart; it covers the host, so that it is worth nothing elsewhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, quote, unquote

from seawall import limits
from seawall.verify.agent_url import canonical
from seawall.verify.fields import (
    InnerList,
    Item,
    Member,
    Parameters,
    dictionary,
    item,
    serialize,
    serialize_bare,
    serialize_parameters,
)
from seawall.verify.keys import Key
from seawall.verify.outcome import Outcome

TAG: Final = "web-bot-auth"
_ALGORITHMS: Final = frozenset({"ed25519", "rsa-pss-sha512", "ecdsa-p256-sha256"})
_FIELD: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_KEYID: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_PORTS: Final = {"https": ":443", "http": ":80"}
_REWRITTEN: Final = frozenset(
    {"@path", "@target-uri", "host", "x-forwarded-for", "x-forwarded-proto", "x-request-id"}
)
"""What Envoy may have written otherwise than the client before anybody here sees it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a signature can cover.

    Attributes:
        authority: `Host` as the client sent it.
        path: with the query string.
        headers: lower-case names; several of one name joined by `, `.
    """

    method: str
    scheme: str
    authority: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signature that can be checked once its key is there.

    Attributes:
        directory: canonical address of the directory that must hold the key.
        algorithm: as the signature says, or None.
        base: what was signed.
        dotted: the same if the client wrote the host with a dot at its end, which the edge removes.
        rewritten: the edge may have changed a part of it.
    """

    label: str
    directory: str
    keyid: str
    algorithm: str | None
    base: bytes
    dotted: bytes
    signature: bytes
    rewritten: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """A signature that proves nothing, and why, as a word in kebab case."""

    label: str
    reason: str


Read: TypeAlias = Candidate | Refusal


Agents: TypeAlias = Mapping[str, Item] | Item | None


class _Query:
    """The parameters of a query: read when one is asked for, and once for all that ask."""

    def __init__(self, path: str) -> None:
        self._text = path.partition("?")[2]

    @cached_property
    def _values(self) -> Mapping[str, list[str]]:
        if self._text.count("&") >= limits.SIGNATURE_QUERY_PARAMETERS_MAX:
            raise _RefusedError("query-too-long")
        found: dict[str, list[str]] = {}
        for name, value in parse_qsl(self._text, keep_blank_values=True):
            found.setdefault(name, []).append(value)
        return found

    def of(self, name: str) -> list[str]:
        """The values of a parameter, decoded; `name` is encoded as in the query."""
        return self._values.get(unquote(name), [])


@dataclass(frozen=True, slots=True)
class _Parts:
    """What else of a signed request its signatures need."""

    signatures: Mapping[str, Member]
    agents: Agents
    query: _Query


class _RefusedError(Exception):
    """Inside this module only: the reason is the message."""


def read(request: Request, *, now_s: float) -> tuple[Read, ...]:
    """The Web Bot Auth signatures of a request, each for itself; empty when it has none."""
    headers = request.headers
    if "signature-input" not in headers and "signature" not in headers:
        return ()
    try:
        inputs = dictionary(headers.get("signature-input", ""))
        signatures = dictionary(headers.get("signature", ""))
        agents = _agents(headers.get("signature-agent"))
    except ValueError:
        return (Refusal("", "malformed"),)
    parts = _Parts(signatures, agents, _Query(request.path))
    found: list[Read] = []
    for label, member in inputs.items():
        if isinstance(member, InnerList) and _text(member.parameters, "tag") == TAG:
            try:
                found.append(_candidate(request, label, member, parts, now_s=now_s))
            except _RefusedError as error:
                found.append(Refusal(label, str(error)))
    return tuple(found)


def check(candidate: Candidate, key: Key, *, now_s: float) -> tuple[Outcome, str]:
    """Whether the signature is right under its key, and a word why not."""
    if key.thumbprint != candidate.keyid:
        return Outcome.UNKNOWN, "other-key"
    if not key.valid_at(now_s):
        return Outcome.UNKNOWN, "key-not-valid-now"
    if candidate.algorithm not in (None, key.algorithm):
        return Outcome.UNKNOWN, "algorithm-mismatch"
    bases = candidate.base, candidate.dotted
    if not any(key.verifies(candidate.signature, base) for base in bases):
        if candidate.rewritten:
            return Outcome.UNKNOWN, "wrong-or-rewritten"
        return Outcome.IMPOSTOR, "signature-wrong"
    return Outcome.VERIFIED, ""


def _candidate(
    request: Request,
    label: str,
    member: InnerList,
    parts: _Parts,
    *,
    now_s: float,
) -> Candidate:
    signature = parts.signatures.get(label)
    if not isinstance(signature, Item) or not isinstance(signature.value, bytes):
        raise _RefusedError("no-signature")
    if request.scheme != "https":
        raise _RefusedError("not-https")
    parameters = member.parameters
    keyid, algorithm = _text(parameters, "keyid"), _text(parameters, "alg")
    if keyid is None or not _KEYID.fullmatch(keyid):
        raise _RefusedError("keyid-no-thumbprint")
    if "alg" in parameters and algorithm not in _ALGORITHMS:
        raise _RefusedError("algorithm-not-allowed")
    if "nonce" in parameters and _text(parameters, "nonce") is None:
        raise _RefusedError("malformed")
    _timely(parameters, now_s)
    base = _base(request, member, parts)
    host, colon, port = request.authority.partition(":")
    dotted = replace(request, authority=f"{host}.{colon}{port}")
    return Candidate(
        label=label,
        directory=_directory(label, member, parts.agents),
        keyid=keyid,
        algorithm=algorithm,
        base=base,
        dotted=_base(dotted, member, parts),
        signature=signature.value,
        rewritten=any(component.value in _REWRITTEN for component in member.items),
    )


def _text(parameters: Parameters, name: str) -> str | None:
    """A parameter that is a quoted string; a bare word is none."""
    value = parameters.get(name)
    return value if type(value) is str else None


def _timely(parameters: Parameters, now_s: float) -> None:
    created, expires = parameters.get("created"), parameters.get("expires")
    if type(created) is not int or type(expires) is not int:
        raise _RefusedError("no-lifetime")
    if not 0 < expires - created <= limits.SIGNATURE_LIFETIME_S_MAX:
        raise _RefusedError("lifetime-too-long")
    if created > now_s + limits.SIGNATURE_SKEW_S:
        raise _RefusedError("created-in-the-future")
    if now_s >= expires:
        raise _RefusedError("expired")


def _base(request: Request, member: InnerList, parts: _Parts) -> bytes:
    """The signature base of RFC 9421 section 2.5."""
    lines: dict[str, str] = {}
    for component in member.items:
        name = serialize(component)
        if name in lines:
            raise _RefusedError("component-twice")
        lines[name] = _value(request, component, parts)
    if not {'"@authority"', '"@target-uri"'} & set(lines):
        raise _RefusedError("authority-not-covered")
    lines['"@signature-params"'] = serialize(member)
    return "\n".join(f"{name}: {value}" for name, value in lines.items()).encode()


def _value(request: Request, component: Item, parts: _Parts) -> str:
    name, parameters, agents = component.value, component.parameters, parts.agents
    if not isinstance(name, str) or type(name) is not str:
        raise _RefusedError("malformed")
    if name == "@query-param":
        return _query_parameter(parts.query, parameters)
    if parameters:
        if name != "signature-agent" or set(parameters) != {"key"} or not isinstance(agents, dict):
            raise _RefusedError("component-not-supported")
        agent = agents.get(parameters["key"])
        if agent is None:
            raise _RefusedError("component-missing")
        return serialize_bare(agent.value) + serialize_parameters(agent.parameters)
    if name.startswith("@"):
        return _derived(request, name)
    if not _FIELD.fullmatch(name):
        raise _RefusedError("malformed")
    value = request.headers.get(name)
    if value is None:
        raise _RefusedError("component-missing")
    if not value.isascii() or not value.isprintable():
        raise _RefusedError("malformed")
    return value.strip(" ")


def _derived(request: Request, name: str) -> str:
    path, mark, query = request.path.partition("?")
    authority = request.authority.lower().removesuffix(_PORTS.get(request.scheme, ""))
    values = {
        "@method": request.method,
        "@scheme": request.scheme,
        "@authority": authority,
        "@path": path or "/",
        "@query": f"?{query}",
        "@target-uri": f"{request.scheme}://{authority}{path or '/'}{mark}{query}",
    }
    if name not in values:
        raise _RefusedError("component-not-supported")
    if not values[name].isascii() or not values[name].isprintable():
        raise _RefusedError("malformed")
    return values[name]


def _query_parameter(query: _Query, parameters: Parameters) -> str:
    """One parameter of the query, encoded again as RFC 9421 section 2.2.8 says."""
    name = _text(parameters, "name")
    if name is None or set(parameters) != {"name"}:
        raise _RefusedError("component-not-supported")
    found = query.of(name)
    if len(found) != 1:
        raise _RefusedError("component-missing")
    # The set of the URL standard: of Python's plain characters it encodes `~`, and it keeps `*`.
    return quote(found[0], safe="*").replace("~", "%7E")


def _agents(text: str | None) -> Agents:
    """Signature-Agent: a dictionary, or one quoted string as older drafts had it."""
    if text is None:
        return None
    if text.lstrip(" ").startswith('"'):
        return item(text)
    members = dictionary(text)
    if not all(isinstance(member, Item) for member in members.values()):
        raise ValueError("a list of agents")
    return {key: member for key, member in members.items() if isinstance(member, Item)}


def _directory(label: str, member: InnerList, agents: Agents) -> str:
    """The directory that the signature covers as its signer's.

    That is the member of its own label. An intermediary may give a signature another label but not
    the member another key, so a single covered member of another key is its signer's too.
    """
    covered = [entry for entry in member.items if entry.value == "signature-agent"]
    if agents is None:
        raise _RefusedError("no-signature-agent")
    if isinstance(agents, Item):
        agent = agents if covered else None
    else:
        keys = [entry.parameters.get("key") for entry in covered]
        key = label if label in keys or None in keys else keys[0] if len(keys) == 1 else None
        agent = agents.get(str(key))
    if agent is None:
        raise _RefusedError("signature-agent-not-covered")
    if agent.parameters:
        raise _RefusedError("discovery-not-supported")
    address = canonical(agent.value)
    if address is None:
        raise _RefusedError("signature-agent-no-address")
    return address
