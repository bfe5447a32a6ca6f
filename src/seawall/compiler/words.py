"""Envoy's words made fit for people and logs: the reason kept, dumps and private keys left out.

When a message breaks one of its own constraints, Envoy 1.40 prints the whole message, TLS keys
included, and the reason after it. So nothing that Envoy says about a configuration may be shown,
logged, stored or sent before it went through here.
"""

import re
from typing import Final

from seawall import limits

_KEY_BEGIN: Final = r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
_KEY_END: Final = r"-----END [A-Z ]*PRIVATE KEY-----"
_PRIVATE_KEY: Final = re.compile(f"{_KEY_BEGIN}.*?(?:{_KEY_END}|$)", re.DOTALL)
_REST_OF_KEY: Final = re.compile(f"^.*?{_KEY_END}", re.DOTALL)
_CONSTRAINT: Final = re.compile(
    r"(?P<before>.*?)goo\.gle/debug\w*\s.*?: (?P<reason>Proto constraint validation failed \(.*)",
    re.DOTALL,
)
_STARTUP: Final = re.compile(r"error initializing configuration '[^']*': (.*)", re.DOTALL)


def readable(output: str) -> str:
    """One line of at most `ENVOY_MESSAGE_LENGTH_CHARS_MAX` characters, without private keys.

    Args:
        output: a NACK's message, or what Envoy printed; may be cut off anywhere.
    """
    startup = _STARTUP.search(output)
    text = startup[1] if startup else output
    constraint = _CONSTRAINT.match(text)
    if constraint:
        text = f"{constraint['before']} {constraint['reason']}"
    text = _REST_OF_KEY.sub("[redacted]", _PRIVATE_KEY.sub("[redacted]", text))
    return " ".join(text.split())[: limits.ENVOY_MESSAGE_LENGTH_CHARS_MAX]
