"""Over TLS: a name that the release gives up is refused in the handshake, and that is meant."""

from pathlib import Path

from envoy.config.listener.v3.listener_pb2 import Listener

from compiler import build
from gate import made
from gate.test_taster import refused, taste, taster
from seawall.compiler.compile import compile_edge
from seawall.compiler.snapshot import Resource, Snapshot, TypeUrl
from seawall.compiler.wire import body_of
from seawall.ids import CertificateName, SiteName
from seawall.model import Golden
from tls_material import TlsAuthority

AUTHORITY = TlsAuthority()


def edge(*names: str) -> Snapshot:
    """Sites with a certificate each."""
    sites, certificates = [], []
    for name in names:
        chain, key = AUTHORITY.issue(f"{name}.test")
        certificates.append(build.certificate(name, chain, key, f"{name}.test"))
        site = build.site(
            name,
            hosts=(f"{name}.test",),
            certificate=CertificateName(name),
            redirect_to_https=True,
        )
        sites.append(site)
    return compile_edge(build.edge(*sites, https=(8443,), certificates=tuple(certificates)))


def without_chain(snapshot: Snapshot, host: str) -> Snapshot:
    """The listener forgets a host that the route tables still have."""

    def spoilt(resource: Resource) -> Resource:
        if resource.type_url is not TypeUrl.LISTENER:
            return resource
        listener = Listener.FromString(resource.body)
        kept = [c for c in listener.filter_chains if host not in c.filter_chain_match.server_names]
        copies = [type(one).FromString(body_of(one)) for one in kept]
        listener.ClearField("filter_chains")
        listener.filter_chains.extend(copies)
        return Resource(TypeUrl.LISTENER, resource.name, body_of(listener), resource.owner)

    return Snapshot.of(spoilt(resource) for resource in snapshot.resources)


def test_it_is_asked_with_the_certificates_of_the_release(tmp_path: Path) -> None:
    whole = edge("shop")
    want = (
        Golden(SiteName("shop"), "shop.test", "/", https=True, status=(200,)),
        Golden(SiteName("shop"), "shop.test:8443", "/", https=True, status=(200,)),
        Golden(SiteName("shop"), "shop.test", "/", status=(308,)),
    )
    report = taste(taster(tmp_path), whole, whole, want)
    assert report.refusal is None, report


def test_a_site_that_was_just_asked_can_be_taken_away(tmp_path: Path) -> None:
    access = tmp_path / "access.ndjson"
    asked = {"route": "blog/all", "host": "Blog.test:8443", "tls": "TLSv1.3"}
    access.write_text(made.record("/", 5, **asked))
    judge = taster(tmp_path / "work", access_file=access)
    report = taste(judge, edge("shop"), edge("shop", "blog"))
    assert report.refusal is None, report
    (line,) = [line for line in report.lines if "Blog.test" in line]
    assert line == (
        "Differs: GET https://Blog.test:8443/: the TLS handshake was refused, "
        "the current release 200 (changed on purpose)"
    )


def test_a_site_that_is_there_and_has_no_chain_is_refused(tmp_path: Path) -> None:
    whole = edge("shop", "blog")
    report = taste(taster(tmp_path), without_chain(whole, "blog.test"), whole)
    text = refused(report, "taster-no-answer", blames_content=False)
    assert "https://blog.test/: the TLS handshake was refused, the current release 200" in text
