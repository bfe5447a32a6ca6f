"""The first site file of a newcomer: small, commented, and without problems."""

from ipaddress import ip_address
from typing import Final

from pydantic_core import PydanticCustomError

from seawall.errors import UsageError
from seawall.site.schema import network

_TEXT: Final = """\
# Seawall's site file. Every key is described in docs/site-file.md.
# After a change:  seawall check   shows all problems
#                  seawall diff    shows what would change
#                  seawall apply   releases it; seawall rollback undoes it
version: 1

listen:
  http: @HTTP@
@HTTPS@
origins:
  app:
    endpoints: ["@ORIGIN@"]
@TLS@    # Probe each endpoint, and send no requests to those that fail:
    # health_check: {path: /healthz, interval: 5s, timeout: 2s, up: 2, down: 3}
    # Several endpoints share the traffic; backups get it while too few of those are healthy:
    # backup: ["http://127.0.0.1:3001"]

sites:
  main:
    # "*" matches every host name. Write your own instead: [example.com, www.example.com]
    hosts: [@HOSTS@]
    origin: app
@REWRITE@    timeout: 15s
    max_body: 10MiB
    # With your own certificate (then redirect_to_https and hsts make sense, too):
    # tls: {cert: certs/example.pem, key: certs/example.key}
    # redirect_to_https: true
    # Requests that prove that the site works. Each release must pass them before it serves people:
    # golden: [/, {path: /.seawall/ping, status: 200, contains: pong}]
    routes:
      # Tried in order. Requests that match no route go to `origin`.
      - {name: ping, path: /.seawall/ping, respond: {status: 200, body: "pong"}}
      # - {name: api, prefix: /api, class: api, timeout: 30s}
      # - {name: live, prefix: /live, websocket: true}
      # - {name: old, path: /old, redirect: {to: /new, status: 301}}
"""
_REWRITE: Final = """\
    # The origin expects this host name. Without this line the edge sends it the name
    # that the client used.
    host_rewrite: @NAME@
"""
_TLS: Final = """\
    # The name or address in the origin's certificate. If its certificate is not
    # signed by a known authority, use `ca: FILE` or `verify: false`.
    tls: {sni: "@HOST@"}
"""
_HTTPS: Final = """\
  https: @HTTPS@

tls:
  # Certificates for development, from an authority in the data directory.
  development_ca: true
"""


def starter_file(
    origin_url: str,
    *,
    hosts: tuple[str, ...] = ("*",),
    http: str = "127.0.0.1:8080",
    https: str = "127.0.0.1:8443",
) -> str:
    """The text of a commented site file for one website.

    Args:
        origin_url: where the website answers now, for example `http://localhost:3000`.
        hosts: its host names; `*` takes every name, and sends it to a website on the internet
            under the name that this one has in `origin_url`.
        http: address to listen on; the next port where the website itself has this one.
        https: likewise, with development certificates; empty for none. None where all hosts are
            addresses: nobody could ask for those.

    Raises:
        UsageError: `origin_url` is not the URL of an origin, or one of `hosts` is no host name.
    """
    try:
        url = network.origin_url(origin_url)
        hosts = tuple(dict.fromkeys(map(network.host_name, hosts)))
    except PydanticCustomError as error:
        raise UsageError(
            error.type, error.message(), remedy=str((error.context or {}).get("remedy", ""))
        ) from None
    if all(map(network.is_address, hosts)):
        https = ""
    elsewhere = "." in url.host and not network.is_ip(url.host)
    rewrite = _REWRITE.replace("@NAME@", url.host) if elsewhere and "*" in hosts else ""
    host = f"[{url.host}]" if ":" in url.host else url.host
    nameless = url.scheme == "https" and network.is_ip(url.host)
    return (
        _TEXT.replace(
            "@HTTPS@\n", _HTTPS.replace("@HTTPS@", _beside(https, url)) + "\n" if https else "\n"
        )
        .replace("@HTTP@", _beside(http, url))
        .replace("@ORIGIN@", f"{url.scheme}://{host}:{url.port}")
        .replace("@TLS@", _TLS.replace("@HOST@", host) if nameless else "")
        .replace("@REWRITE@", rewrite)
        .replace("@HOSTS@", ", ".join(f'"{host}"' for host in hosts))
    )


def _beside(address: str, url: network.OriginUrl) -> str:
    host, _, port = address.rpartition(":")
    here = url.host == "localhost" or (network.is_ip(url.host) and _is_here(url.host))
    return f"{host}:{url.port + 1}" if here and url.port == int(port) else address


def _is_here(host: str) -> bool:
    """Whether an address leads to this machine; one of all addresses does."""
    address = ip_address(host)
    return address.is_loopback or address.is_unspecified
