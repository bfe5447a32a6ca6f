"""Hosts, addresses, URLs, headers and paths: what may be written in a site file.

They are checked here, where they are written, so that everything behind may rely on them: a host
is lower-case, a header name is a token that belongs to nobody else, a path is absolute.
"""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import urlsplit

from seawall import limits
from seawall.site.schema.values import Checked, refuse, shown, text

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")
_PATH: Final = re.compile(r"/[\x21-\x22\x24-\x3e\x40-\x7e]*")
_TARGET: Final = re.compile(r"(?=.{1,2048}$)[\x21-\x22\x24-\x7e]+(#[\x21-\x22\x24-\x7e]*)?")
_SINCE_IDNA_2008: Final = frozenset("\u00df\u03c2\u200c\u200d")
"""Letters of names of their own, which Python's coder, of RFC 3490, makes others or drops: `ß`."""
_METHOD: Final = re.compile(r"[A-Z][A-Z-]{0,31}")
_HOST_LENGTH_MAX: Final = 253
_PORT: Final = re.compile(r"[0-9]{1,5}")
PORT_MAX: Final = 65_535
"""Of TCP (RFC 9293, section 3.1)."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that concern one connection only (RFC 9110 section 7.6.1): the edge owns them."""
_FRAMING: Final = frozenset({"host", "content-length"})
_INTERNAL_PREFIXES: Final = ("x-envoy-", "x-seawall-")


# --- Hosts ----------------------------------------------------------------------------------------


def is_dns_name(name: str) -> bool:
    """Whether `name`, in lower case, can be looked up: labels of letters, digits, `-`, `_`."""
    return len(name) <= _HOST_LENGTH_MAX and all(
        _LABEL.fullmatch(label) for label in name.split(".")
    )


def is_ip(name: str) -> bool:
    """Whether `name` is an IPv4 or IPv6 address without brackets or zone."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return "%" not in name


def is_address(host: str) -> bool:
    """Whether a host is an address, an IPv6 one in brackets."""
    return is_ip(host.removeprefix("[").removesuffix("]"))


def host_name(value: Any) -> str:
    """A host of a site as clients send it: a name, one with `*.` in front, an address, or `*`."""
    written = text(value).lower()
    if written == "*":
        return written
    host = written.rstrip(".")
    if "//" in host or "/" in host:
        _bad_host(value, "Write the host name alone, without scheme and path.")
    if not host.isascii():
        _bad_host(value, _punycode_hint(host))
    if host.startswith("[") and host.endswith("]") and ":" in host and is_ip(host[1:-1]):
        return f"[{ipaddress.ip_address(host[1:-1])}]"  # the one text of it that browsers use
    if is_ip(host) and ":" in host:
        _bad_host(value, f"Write an IPv6 address as `[{host}]`.")
    if ":" in host:
        _bad_host(value, "Write the host name without a port: ports stand in `listen`.")
    name = host.removeprefix("*.")
    if "*" in name:
        _bad_host(value, "A `*` stands for whole labels at the front: `*.example.com`, or `*`.")
    if not is_dns_name(name):
        _bad_host(value, "Write a host name such as `www.example.com` or `*.example.com`.")
    return host


def _bad_host(value: Any, remedy: str) -> None:
    refuse("invalid-host", f"{shown(value)} is not a host name.", remedy)


def _punycode_hint(host: str) -> str:
    try:
        labels = [_coded(label) for label in host.split(".")]
    except UnicodeError:
        return "Write it in its ASCII form (`xn--...`)."
    return f"Write it in its ASCII form: `{'.'.join(labels)}`."


def _coded(label: str) -> str:
    if not _SINCE_IDNA_2008.isdisjoint(label):
        return f"xn--{unicodedata.normalize('NFC', label).encode('punycode').decode()}"
    return label.encode("idna").decode()


def _one_host(value: Any) -> str:
    host = host_name(value)
    if "*" in host:
        _bad_host(value, "Write one host name, without `*`.")
    return host


Host: TypeAlias = Annotated[str, Checked(host_name, "host")]
OneHost: TypeAlias = Annotated[str, Checked(_one_host, "host without `*`")]


# --- Addresses and URLs ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds; as text what Envoy's listener is called."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _address(value: Any) -> Address:
    written = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)
    host, colon, port = written.rpartition(":")
    if not colon:
        host = ""
    host = host or "0.0.0.0"  # noqa: S104 - `:80` means every address, as everywhere
    if host == "localhost":
        host = "127.0.0.1"
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if (":" in bare) != (bare != host) or not is_ip(bare):
        remedy = "Write an IP address and a port, such as `0.0.0.0:80` or `[::]:443`."
        refuse("bad-address", f"{shown(value)} is not an address to listen on.", remedy)
    return Address(str(ipaddress.ip_address(bare)), _port(value, port))


def _port(value: Any, port: str) -> int:
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= PORT_MAX:
        remedy = f"Write a port from 1 to {PORT_MAX}."
        refuse("bad-address", f"{shown(value)} has no valid port.", remedy)
    return int(port)


ListenAddress: TypeAlias = Annotated[Address, Checked(_address, "address and port")]


@dataclass(frozen=True, slots=True)
class OriginUrl:
    """Where an origin's endpoint answers."""

    scheme: str
    host: str
    port: int


def origin_url(value: Any) -> OriginUrl:
    """The address in `http://HOST[:PORT]` or `https://HOST[:PORT]`."""
    url = text(value)
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in _DEFAULT_PORTS or not (is_ip(host) or is_dns_name(host)):
        remedy = "Write `http://HOST:PORT` or `https://HOST:PORT`."
        refuse(
            "bad-url",
            f"{shown(url)} is not the URL of an origin.",
            remedy if host.isascii() else _punycode_hint(host),
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        remedy = f"Write `{parts.scheme}://{host}`; to change the path use `rewrite` on a route."
        refuse("bad-url", f"{shown(url)} holds more than scheme, host and port.", remedy)
    if port == 0:
        refuse("bad-url", f"{shown(url)} has no valid port.", f"Write a port up to {PORT_MAX}.")
    if is_ip(host):
        host = str(ipaddress.ip_address(host))  # one text of each, so that it is found twice
    return OriginUrl(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme])


Url: TypeAlias = Annotated[OriginUrl, Checked(origin_url, "URL")]


def _cidr(value: Any) -> str:
    written = text(value)
    try:
        return str(ipaddress.ip_network(written, strict=False))
    except ValueError:
        remedy = "Write a network such as `10.0.0.0/8`, or one address."
        refuse("bad-address", f"{shown(value)} is not a network.", remedy)


Cidr: TypeAlias = Annotated[str, Checked(_cidr, "network")]


# --- Headers, methods, paths ----------------------------------------------------------------------


def _header_name(value: Any) -> str:
    name = text(value)
    if not _TOKEN.fullmatch(name):
        remedy = "Use letters, digits and `-` (RFC 9110 section 5.1)."
        refuse("invalid-header", f"{shown(name)} is not a header name.", remedy)
    return name.lower()


def changed_header_name(value: Any) -> str:
    """A header that a site may change: not one that belongs to the edge or to one connection."""
    name = _header_name(value)
    if name in _HOP_BY_HOP or name in _FRAMING:
        remedy = "Remove it." if name != "host" else "Use `host_rewrite` to change the Host."
        refuse("invalid-header", f"The header `{name}` belongs to the edge.", remedy)
    if name.startswith(_INTERNAL_PREFIXES):
        remedy = "Choose another name: `x-envoy-` and `x-seawall-` are internal."
        refuse("invalid-header", f"The header `{name}` is internal.", remedy)
    return name


def _cookie_name(value: Any) -> str:
    name = text(value)
    if not _TOKEN.fullmatch(name):
        refuse("invalid-header", f"{shown(name)} is not the name of a cookie.", "Use letters.")
    return name


def header_value(value: Any) -> str:
    """One line of text that may be sent as the value of a header (RFC 9110 section 5.5)."""
    written = text(value, empty=True)
    if not _HEADER_VALUE.fullmatch(written) or len(written) > limits.HEADER_VALUE_LENGTH_CHARS_MAX:
        remedy = (
            "Use one line of printable text, at most "
            f"{limits.HEADER_VALUE_LENGTH_CHARS_MAX} characters."
        )
        refuse("invalid-header", f"{shown(written)} is not a header value.", remedy)
    return written


def _method(value: Any) -> str:
    method = text(value)
    if not _METHOD.fullmatch(method) or method == "CONNECT":
        refuse("bad-method", f"{shown(method)} is not a method.", "Write it as `GET`, `POST`, ...")
    return method


def _path(value: Any) -> str:
    path = text(value)
    if not _PATH.fullmatch(path) or len(path) > limits.PATH_LENGTH_CHARS_MAX:
        remedy = "Begin with `/`; no spaces, no `?` and no `#`; write other characters as %XX."
        refuse("bad-path", f"{shown(path)} is not a URL path.", remedy)
    return path


def _target(value: Any) -> str:
    """A path with or without query, or a whole http or https URL; a fragment may follow."""
    target = text(value)
    try:
        parts = urlsplit(target)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", 0
    inside = not parts.scheme and not parts.netloc and target.startswith("/")
    outside = (
        parts.scheme in _DEFAULT_PORTS and (is_ip(host) or is_dns_name(host)) and port != 0
    ) and "@" not in parts.netloc
    if not (inside or outside) or not _TARGET.fullmatch(target):
        remedy = (
            "Write a path such as `/new`, or a URL such as `https://example.com/new`; "
            "other characters as %XX."
        )
        refuse("bad-path", f"{shown(target)} is not a place to redirect to.", remedy)
    return target


HeaderName: TypeAlias = Annotated[str, Checked(_header_name, "header name")]
ChangedHeader: TypeAlias = Annotated[str, Checked(changed_header_name, "header name")]
CookieName: TypeAlias = Annotated[str, Checked(_cookie_name, "cookie name")]
HeaderValue: TypeAlias = Annotated[str, Checked(header_value, "text")]
Method: TypeAlias = Annotated[str, Checked(_method, "method")]
UrlPath: TypeAlias = Annotated[str, Checked(_path, "path")]
Target: TypeAlias = Annotated[str, Checked(_target, "path or URL")]
