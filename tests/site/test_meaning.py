"""Site files that are whole and mean something that nobody wants: loops, and broken chains."""

import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from seawall.secret import Secret
from seawall.site.certificates import public_key_of, read_chain, served_authorities, served_key
from site_text import HEAD, certificate_files, ids, load_text
from tls_material import TlsAuthority

EDGE = "version: 1\nlisten: {http: '127.0.0.1:8080', https: '[::]:8443'}\n"


def site(written: str) -> set[str]:
    return ids(load_text(f"{EDGE}sites:\n  shop: {{hosts: [a.test, b.test], {written}}}\n"))


@pytest.mark.parametrize(
    "written",
    [
        "origin: 'http://127.0.0.1:8080'",
        "origin: 'http://localhost:8080'",
        "origin: 'https://localhost:8443'",
        "origin: 'http://[::1]:8443'",
        "origin: 'http://0.0.0.0:8080'",
        "origin: 'http://[::]:8443'",
        "origin: {endpoints: 'http://127.0.0.1:1', backup: 'http://127.0.0.1:8080'}",
        "origin: 'http://127.0.0.1:8080', host_rewrite: b.test",
        "origin: 'http://x', routes: [{name: r, path: /r, origin: 'http://127.0.0.1:8080'}]",
    ],
)
def test_an_origin_that_is_the_edge_itself_is_an_error(written: str) -> None:
    assert "origin-loop" in site(written)


@pytest.mark.parametrize(
    "written",
    [
        "origin: 'http://127.0.0.1:8081'",
        "origin: 'http://127.0.0.2:8080'",
        "origin: 'http://shop.internal:8080'",
        "origin: 'http://10.0.0.1:8443'",
        "origin: 'http://127.0.0.1:8080', host_rewrite: other.test",
        (
            "origin: 'http://x', routes: [{name: r, prefix: /r, rewrite: {prefix: /s}, "
            "origin: 'http://127.0.0.1:8080'}]"
        ),
    ],
)
def test_another_address_or_another_request_is_no_loop(written: str) -> None:
    assert "origin-loop" not in site(written)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("respond: {status: 204, body: x}", {"answer-without-body"}),
        ("respond: {status: 205, body: x}", {"answer-without-body"}),
        ("respond: {status: 304, body: x}", {"answer-without-body"}),
        ("respond: {status: 204}", set()),
        ("redirect: {to: /x, prefix: /y}", {"redirect-twice"}),
        ("redirect: {to: 'http://o.test/?q=1', prefix: /y}", {"redirect-twice"}),
        ("redirect: {to: 'http://o.test', prefix: /y}", set()),
        ("respond: {status: 302}", {"redirect-loop"}),
        ("respond: {status: 302}, header_changes: {response: {set: {location: /x}}}", set()),
        ("respond: {status: 300}", set()),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(answer: str, found: set[str]) -> None:
    route = f"{{name: r, prefix: /r, {answer}}}"
    text = f"sites:\n  shop: {{hosts: [a.test], origin: 'http://x', routes: [{route}]}}\n"
    assert ids(load_text(HEAD + text)) == found


def served(chain: bytes) -> set[str]:
    files = {**certificate_files(), "c.pem": chain}
    text = f"{EDGE}sites:\n  shop: {{hosts: [shop.example.com], origin: 'http://x', "
    return ids(load_text(text + "tls: {cert: c.pem, key: certs/shop.key}}\n", files))


def test_certificates_that_did_not_issue_each_other_are_a_broken_chain() -> None:
    files = certificate_files()
    assert served(files["certs/shop.pem"]) == set()
    assert served(files["certs/shop.pem"] + files["certs/ca.pem"]) == set()
    assert served(files["certs/gap.pem"]) == {"certificate-chain"}


def test_a_leaf_that_tells_where_its_issuer_is_found_needs_it_in_the_file() -> None:
    leaf, above = _publicly_issued()
    assert "CN=Some authority" in read_chain(leaf).gap
    assert read_chain(leaf + above).gap == ""


def test_what_stands_beside_the_certificates_in_a_file_does_not_reach_envoy() -> None:
    chain, key = TlsAuthority().issue("shop.example.com")
    for file in (b"\xef\xbb\xbf" + chain, key + chain, chain + key, chain.replace(b"\n", b"\r\n")):
        assert read_chain(file).pem == chain


def test_a_key_is_written_as_envoy_reads_it() -> None:
    _, key = TlsAuthority().issue("shop.example.com")
    assert served_key(Secret(key)).reveal() == key
    for file in (
        b"\xef\xbb\xbf" + key,
        key.replace(b"\n", b"\r"),
        b"".join(b"  " + line for line in key.splitlines(keepends=True)),
    ):
        written = served_key(Secret(file))
        assert written.reveal().startswith(b"-----BEGIN PRIVATE KEY-----\n")
        assert public_key_of(written) == public_key_of(Secret(key))
    assert served_key(Secret(b"none")).reveal() == b"none"


def test_authorities_are_written_as_envoy_reads_them() -> None:
    two = TlsAuthority().pem + TlsAuthority().pem
    for file in (two, b"# ours\n" + two.replace(b"\n", b"\r\n"), b"none"):
        assert served_authorities(file) == file
    for file in (b"\xef\xbb\xbf" + two, two.replace(b"-----BEGIN", b" -----BEGIN")):
        assert served_authorities(file) == two


def _publicly_issued() -> tuple[bytes, bytes]:
    """A leaf as public authorities sign them, and the certificate of its issuer."""
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Some authority")])
    access = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS,
        x509.UniformResourceIdentifier("http://authority.test/issuer.der"),
    )

    def signed(name: x509.Name, *, ca: bool) -> bytes:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
        builder = builder.add_extension(
            x509.BasicConstraints(ca=ca, path_length=None), critical=True
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)

    leaf = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.com")])
    return signed(leaf, ca=False), signed(issuer, ca=True)


@pytest.mark.parametrize("how", ["twice", "version", "kind"])
def test_a_certificate_that_no_program_reads_is_told(how: str) -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("shop.example.com")])
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"0\x04\xa3\x02\x05\x00")
    key = ec.generate_private_key(ec.SECP256R1())
    begin = dt.datetime.now(dt.UTC) - dt.timedelta(1)
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(x509.Name([]))
    builder = builder.public_key(key.public_key()).serial_number(1).not_valid_before(begin)
    builder = builder.not_valid_after(begin + dt.timedelta(90)).add_extension(other, critical=False)
    if how == "twice":
        builder = builder.add_extension(names, critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    if how == "version":
        der = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01")
    else:
        der = der.replace(b"\x55\x1d\x63", b"\x55\x1d\x11")  # that extension is of names now
    pem = b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % base64.encodebytes(der)
    files = {**certificate_files(), "c.pem": pem}
    tls = "tls: {cert: c.pem, key: certs/shop.key}"
    shop = f"{EDGE}sites:\n  shop: {{hosts: [shop.example.com], origin: %s, %s}}\n"
    assert ids(load_text(shop % ("'http://x'", tls), files)) == {"bad-certificate"}
    behind = "{endpoints: 'https://a.example', tls: {ca: c.pem}}"
    found = ids(load_text(shop % (behind, "tls: false"), files)) - {"https-without-certificate"}
    assert found == ({"bad-certificate"} if how == "version" else set())


_SETS_COOKIE = ", header_changes: {response: {add: {set-cookie: seen=1}}}"


@pytest.mark.parametrize(
    ("route", "loops"),
    [
        ("redirect: 'http://www.test'", True),
        ("redirect: 'http://www.test:8080/x'", True),
        ("redirect: 'http://www.test:9000'", False),
        ("redirect: 'https://www.test'", True),
        ("redirect: 'https://www.test:8443/'", False),
        ("redirect: 'http://other.test'", False),
        ("path: /a, redirect: 'http://www.test/b'", False),
        ("headers: {host: a.test}, redirect: 'http://www.test'", False),
        ("headers: {host: {suffix: .test}}, redirect: 'http://www.test'", False),
        ("headers: {host: www.test}, redirect: 'http://www.test'", True),
        ("headers: {x-a: b}, redirect: 'http://www.test'", True),
        ("path: /a, methods: POST, redirect: {to: /a, status: 303}", False),
        ("path: /a, methods: POST, redirect: {to: /a, status: 307}", True),
        ("path: /a, query: {old: {present: true}}, redirect: {to: /a, strip_query: true}", False),
        ("headers: {x-forwarded-proto: http}, redirect: 'https://www.test'", False),
        ("headers: {x-forwarded-proto: https}, redirect: 'https://www.test'", True),
        ("headers: {x-forwarded-proto: http}, redirect: /", True),
        (f"headers: {{cookie: {{present: false}}}}, redirect: /{_SETS_COOKIE}", False),
        (f"headers: {{x-a: {{present: false}}}}, redirect: /{_SETS_COOKIE}", True),
    ],
)
def test_a_redirect_loops_that_leads_to_its_own_host_and_that_nothing_ends(
    route: str, loops: bool
) -> None:
    text = (
        "version: 1\nlisten: {http: ['127.0.0.1:8080', {address: ':8081', public_port: 80}], "
        "https: {address: ':8444', public_port: 443}}\ntls: {development_ca: true}\n"
        "sites:\n  shop: {hosts: [www.test, a.test], origin: 'http://x', "
        f"routes: [{{name: r, {route}}}]}}\n"
    )
    assert ids(load_text(text)) == ({"redirect-loop"} if loops else set())
