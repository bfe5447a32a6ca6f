"""What makes an Envoy safe to face the Internet: one place for every defence that is always on.

The rest of the compiler says what a site wants; this package says what no client may do to it.
It only sets fields on messages that others build. Every bound comes from `EdgeLimits` (the site
file) or from `seawall.limits`. `docs/hardening.md` lists each trap with its answer and its test.
"""

from seawall.compiler.hardening.bootstrap import bootstrap_body
from seawall.compiler.hardening.http import harden_http
from seawall.compiler.hardening.listener import harden_listener

__all__ = ["bootstrap_body", "harden_http", "harden_listener"]
