"""JA4: the fingerprint of a ClientHello, and every form of it that Envoy shows for one client.

`lua_table()` is the text that `lua/ja4.lua` and `lua/agent.lua` read. It is made from the table of
known clients (`data/ja4.yaml`, read by `seawall.bots.ja4_table`), which holds what the clients
send, not their fingerprints: those are computed here, so one rule serves all of them.

JA4 is `a_b_c` (FoxIO's specification): `a` is transport, TLS version, whether a server name is
sent, the numbers of ciphers and extensions, and the first protocol; `b` is a hash of the sorted
ciphers; `c` one of the sorted extensions without server name and ALPN, and of the signature
algorithms in their order. GREASE (RFC 8701) belongs to none of them.

One client has many JA4 all the same:

* Envoy 1.40 leaves GREASE in the signature algorithms. Chrome sends a random one of 16 values.
* A resumed handshake has `pre_shared_key` too; Firefox leaves out its empty session ticket then.
* Some clients pad a ClientHello of 256 to 511 bytes (RFC 7685), which depends on the host name.
* Chrome leaves out its application settings where it offers HTTP/1.1 only: for WebSockets.
* Server name and ALPN change only `a`.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import Final

from seawall.bots.families import SHARES_HANDSHAKE, ClientFamily
from seawall.bots.hello import (
    ALPN,
    GREASE,
    PADDING,
    PRE_SHARED_KEY,
    SERVER_NAME,
    Hello,
    is_grease,
)
from seawall.bots.ja4_table import Client, Shake, Table, builtin
from seawall.errors import RefusedError
from seawall.limits import JA4_ROWS_MAX, JA4_SCRIPT_SIZE_BYTES_MAX

LEAK_NONE: Final = 1
LEAK_FIRST: Final = 2
LEAK_OTHER: Final = 3

_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}
_EMPTY_HASH: Final = "0" * 12
_COUNT_MAX: Final = 99


@dataclass(frozen=True)
class Form:
    """One form in which a client's fingerprint may appear.

    Attributes:
        c: JA4_c of this form.
        extensions: their number, without GREASE, server name and ALPN.
        leak: `LEAK_NONE`, or which GREASE value is left in the signature algorithms.
        canonical: JA4_c of this client fresh and without GREASE.
        more: extensions that the canonical handshake has more than this form.
    """

    c: str
    extensions: int
    leak: int
    canonical: str
    more: int


def canonical(shake: Shake, *, server_name: bool = True) -> str:
    """JA4 of a fresh handshake, GREASE removed everywhere.

    A client that may pad is taken with padding: it does so for most host names.
    """
    extensions = _plain(shake.extensions) + [PADDING] * shake.padding
    named = [SERVER_NAME] if server_name else []
    count = len([e for e in extensions if e != SERVER_NAME] + named)
    return "_".join(
        (
            _first(shake.tls, server_name, len(_plain(shake.ciphers)), count, shake.alpn),
            cipher_hash(shake.ciphers),
            extension_hash(extensions, _plain(shake.signature_algorithms)),
        )
    )


def canonical_of(client: Client) -> str:
    """The canonical JA4 of an entry, computed where it holds a handshake."""
    return client.ja4 if client.shake is None else canonical(client.shake)


def ja4_of(hello: Hello, *, leaky: bool = False) -> str:
    """JA4 of a captured ClientHello; `leaky` as Envoy 1.40 computes it."""
    algorithms = hello.signature_algorithms
    versions = _plain(hello.versions) or [hello.legacy_version]
    return "_".join(
        (
            _first(
                _VERSIONS.get(max(versions), "00"),
                hello.server_name,
                len(_plain(hello.ciphers)),
                len(_plain(hello.extensions)),
                hello.alpn[0] if hello.alpn else b"",
            ),
            cipher_hash(hello.ciphers),
            extension_hash(hello.extensions, algorithms if leaky else _plain(algorithms)),
        )
    )


def forms(shake: Shake) -> Iterator[Form]:
    """Every form of a client's `c`, the canonical one first; all differ."""
    base = [e for e in _plain(shake.extensions) if e not in (SERVER_NAME, ALPN)]
    for lacking in ((), shake.http1_without) if shake.http1_without else ((),):
        yield from _forms_of([e for e in base if e not in lacking], shake)


def _forms_of(base: Sequence[int], shake: Shake) -> Iterator[Form]:
    paddings = (True, False) if shake.padding else (False,)
    fresh = [*base, PADDING] if shake.padding else list(base)
    canonical = extension_hash(fresh, _plain(shake.signature_algorithms))
    for padded, resumed in itertools.product(paddings, (False, True)):
        extensions = [*base, PADDING] if padded else list(base)
        if resumed:
            kept = [e for e in extensions if e not in shake.resumed_without]
            extensions = [*kept, PRE_SHARED_KEY]
        for algorithms, leak in _leaks(shake.signature_algorithms):
            c, more = extension_hash(extensions, algorithms), len(fresh) - len(extensions)
            yield Form(c, len(extensions), leak, canonical, more)


def cipher_hash(ciphers: Sequence[int]) -> str:
    """JA4_b: the sorted cipher suites, GREASE removed."""
    return _hash(",".join(sorted(f"{c:04x}" for c in _plain(ciphers))))


def extension_hash(extensions: Sequence[int], algorithms: Sequence[int]) -> str:
    """JA4_c: the sorted extensions without GREASE, server name and ALPN, and the algorithms."""
    kinds = [e for e in _plain(extensions) if e not in (SERVER_NAME, ALPN)]
    parts = [",".join(sorted(f"{e:04x}" for e in kinds))]
    if algorithms:
        parts.append(",".join(f"{a:04x}" for a in algorithms))
    return _hash("_".join(parts))


@cache
def lua_table(table: Table | None = None) -> str:
    """The table (the shipped one when none is given) as `lua/ja4.lua` reads it.

    Raises:
        RefusedError: `ja4-table-ambiguous`: one fingerprint with two meanings;
            `ja4-table-too-large`: more rows than the filter takes.
    """
    known = builtin() if table is None else table
    lines = [f"g {g.code} {g.family:d} {g.first} {g.last}" for g in known.generations]
    lines += [
        f"a {family:d} {' '.join(f'{shake:d}' for shake in sorted(shakes))}"
        for family, shakes in SHARES_HANDSHAKE.items()
    ]
    lines += _partial_rows(known)
    lines += _exact_rows(known)
    text = "".join(f"{line}\n" for line in (f"ja4 1 {len(lines)}", *lines))
    if len(lines) > JA4_ROWS_MAX or len(text) > JA4_SCRIPT_SIZE_BYTES_MAX:
        raise RefusedError(
            "ja4-table-too-large",
            f"The table of known clients becomes {len(lines)} rows of {len(text)} bytes; at most "
            f"{JA4_ROWS_MAX} rows and {JA4_SCRIPT_SIZE_BYTES_MAX} bytes fit into the filter.",
            remedy="Remove clients that nobody uses any more.",
        )
    return text


def _exact_rows(table: Table) -> list[str]:
    found: dict[tuple[str, str], tuple[Client, Form, int]] = {}
    for client in table.clients:
        a, b, c = canonical_of(client).split("_")
        if client.shake is None:
            others = int(a[6:8]) - (a[3] == "d") - (a[8:] != "00")
            shown = [Form(c, others, LEAK_NONE, c, 0)]
        else:
            shown = list(forms(client.shake))
        for form in shown:
            owner, first, generation = found.setdefault(
                (b, form.c), (client, form, client.generation)
            )
            if owner.family != client.family:
                raise _shared(owner, client)
            if generation != client.generation:
                # Two generations may differ only in what this form leaves out.
                found[b, form.c] = (owner, first, 0)
    return sorted(_row(client, form, generation) for client, form, generation in found.values())


def _row(client: Client, form: Form, generation: int) -> str:
    a, b, _ = canonical_of(client).split("_")
    shown = f"{a[1:3]} {int(a[4:6])} {b} {form.c} {form.extensions} {form.canonical} {form.more}"
    return f"c {shown} {form.leak} {client.family:d} {generation}"


def _partial_rows(table: Table) -> list[str]:
    found: dict[str, tuple[str, int, list[Client]]] = {}
    for client in table.clients:
        a, b, _ = canonical_of(client).split("_")
        found.setdefault(b, (a[1:3], int(a[4:6]), []))[2].append(client)
    rows = []
    for b, (tls, ciphers, clients) in sorted(found.items()):
        families = {client.family for client in clients}
        generations = {client.generation for client in clients}
        family = _common(families)
        generation = generations.pop() if family and len(generations) == 1 else 0
        several = " ".join(f"{one:d}" for one in sorted(families))
        rows.append(f"b {tls} {ciphers} {b} {family:d} {generation} {several}")
    return rows


def _common(families: AbstractSet[ClientFamily]) -> int:
    """The family that a JA4_b alone tells: a library's own ciphers tell the library."""
    if len(families) == 1:
        return next(iter(families))
    browsers = {ClientFamily.CHROMIUM, ClientFamily.FIREFOX, ClientFamily.SAFARI}
    for library in (ClientFamily.OPENSSL_TOOL, ClientFamily.GNUTLS_TOOL):
        if library in families and not families & browsers:
            return library
    return 0


def _shared(one: Client, other: Client) -> RefusedError:
    return RefusedError(
        "ja4-table-ambiguous",
        f"The table of known clients gives one fingerprint two meanings: {one.name} and "
        f"{other.name} have the same handshake, but different families.",
        remedy="Give both the family that the handshake really shows, such as `openssl-tool`.",
    )


def _leaks(algorithms: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    yield _plain(algorithms), LEAK_NONE
    if len(_plain(algorithms)) == len(algorithms):
        return
    for value in GREASE:
        shown = [value if is_grease(a) else a for a in algorithms]
        yield shown, LEAK_FIRST if value == GREASE[0] else LEAK_OTHER


def _first(tls: str, server_name: bool, ciphers: int, extensions: int, alpn: bytes) -> str:
    name = "d" if server_name else "i"
    counts = f"{min(ciphers, _COUNT_MAX):02d}{min(extensions, _COUNT_MAX):02d}"
    return f"t{tls}{name}{counts}{_ends(alpn)}"


def _ends(protocol: bytes) -> str:
    """First and last character of a protocol; of its hexadecimal form when they are no letters."""
    if not protocol:
        return "00"
    ends = protocol[:1] + protocol[-1:]
    if ends.isalnum():
        return ends.decode("ascii")
    return f"{protocol.hex()[0]}{protocol.hex()[-1]}"


def _plain(codes: Sequence[int]) -> list[int]:
    return [code for code in codes if not is_grease(code)]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else _EMPTY_HASH
