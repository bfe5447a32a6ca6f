"""Signed requests as their signers send them: what the edge makes of them must blame nobody."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from compiler import build
from edge.serving import Serving, serving
from seawall.model import BotMode, BotPolicy
from seawall.verify.outcome import Outcome
from seawall.verify.service import SignatureAnswer
from seawall.verify.signature import Candidate, Request, check, read
from verify.signing import NOW, public, sign
from verify.stand_in import answering

ED = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
AGENT = '"signature-agent";key="sig"'


class Checking:
    """The verifier with one key, which every directory has, in the second of the signature."""

    def __init__(self) -> None:
        self.answers: list[SignatureAnswer] = []

    async def signature(self, request: Request) -> SignatureAnswer:
        (found,) = read(request, now_s=NOW)
        assert isinstance(found, Candidate), found
        outcome, reason = check(found, public(ED), now_s=NOW)
        self.answers.append(SignatureAnswer(outcome, "chatgpt-agent", reason))
        return self.answers[-1]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Serving, Checking]]:
    policy = BotPolicy(mode=BotMode.ENFORCE)
    site = build.site("shop", build.route("shop/all"), certificate="shop", bots=policy)
    verifier = Checking()
    with (
        serving(site) as running,
        answering(running.envoy.directory.parent / "bots.sock", verifier),
    ):
        yield running, verifier


def _sent(
    served: tuple[Serving, Checking], covered: str, path: bytes, *lines: bytes, **values: str
) -> tuple[int, Outcome]:
    """The status and the outcome of a request that signs what it sends."""
    known = {'"@authority"': "shop.test"} | {f'"{name}"': text for name, text in values.items()}
    signed = sign(ED, covered=covered, values=known).headers
    names = ("signature-input", "signature", "signature-agent")
    own = [f"{name}: {signed[name]}".encode() for name in names]
    running, verifier = served
    status = running.get(path, *lines, *own, tls=True).status
    return status, verifier.answers[-1].outcome


@pytest.mark.parametrize("path", ["/a", "/a//b", "/%7Euser", "/a%2Db", "/a/./b"])
def test_no_signer_is_refused_for_a_path_that_the_edge_writes_otherwise(
    served: tuple[Serving, Checking], path: str
) -> None:
    """As ChatGPT's agent signs."""
    covered = f'"@authority" "@method" "@path" {AGENT}'
    status, outcome = _sent(served, covered, path.encode(), **{"@path": path})
    assert (status, outcome) == (200, Outcome.VERIFIED if path == "/a" else Outcome.UNKNOWN)


@pytest.mark.parametrize("name", ["x-request-id", "x-forwarded-for", "x-forwarded-proto"])
def test_no_signer_is_refused_for_a_header_that_the_edge_sets_itself(
    served: tuple[Serving, Checking], name: str
) -> None:
    covered = f'"@authority" "{name}" {AGENT}'
    found = _sent(served, covered, b"/", f"{name}: 1".encode(), **{name: "1"})
    assert found == (200, Outcome.UNKNOWN)


@pytest.mark.parametrize("host", ["shop.test.", "shop.test.:443", "shop.test.:8443"])
def test_no_signer_is_refused_for_the_dot_at_the_end_of_a_host(
    served: tuple[Serving, Checking], host: str
) -> None:
    values = {'"@authority"': host.removesuffix(":443"), '"host"': host}
    running, verifier = served
    for covered, outcome in (("", Outcome.VERIFIED), ('"host" ', Outcome.UNKNOWN)):
        signed = sign(ED, covered=f'"@authority" {covered}{AGENT}', values=values).headers
        lines = [f"{name}: {value}".encode() for name, value in signed.items()]
        assert running.get(b"/", *lines, host=host.encode(), tls=True).status == 200
        assert verifier.answers[-1].outcome is outcome


def test_a_header_that_is_sent_twice_is_signed_as_one_value(
    served: tuple[Serving, Checking],
) -> None:
    covered = f'"@authority" "x-list" {AGENT}'
    lines = (b"x-list: one", b"x-list:  two, three ")
    found = _sent(served, covered, b"/", *lines, **{"x-list": "one, two, three"})
    assert found == (200, Outcome.VERIFIED)
