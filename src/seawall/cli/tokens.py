"""`token create|list|revoke`: who may use the HTTP API over TCP."""

import math
from typing import Final

from seawall.api.codec import to_json
from seawall.cli.connect import connect
from seawall.cli.target import Target
from seawall.cli.watch import now_s
from seawall.console import releases as draw
from seawall.console.output import Output, styled
from seawall.errors import UsageError
from seawall.exit_codes import DONE

_DAY_S: Final = 86_400


def create(output: Output, target: Target, name: str, days: float | None, *, write: bool) -> int:
    """Make a token and show its value, this once.

    Raises:
        UsageError: `days` is no number of days.
    """
    if days is not None and not math.isfinite(days):
        raise UsageError(
            "bad-duration",
            f"{days} is not a number of days.",
            remedy="Leave out --days for a token that does not expire.",
        )
    scopes = ("read", "write") if write else ("read",)
    with connect(target) as client:
        made = client.create_token(
            name, scopes=scopes, ttl_s=None if days is None else days * _DAY_S
        )
    if output.json_format:
        output.write_json(to_json(made))
    else:
        output.show(styled(made.token, "bold"))
        output.show_aside(styled("Save it now: it is stored only as a hash and never shown again."))
    return DONE


def list_all(output: Output, target: Target) -> int:
    """List tokens."""
    with connect(target) as client:
        view = client.tokens()
    output.tell(view, lambda: draw.tokens(view, now_s()))
    return DONE


def revoke(output: Output, target: Target, token: str) -> int:
    """Make a token worthless.

    Raises:
        NotFoundError: there is no such token.
    """
    with connect(target) as client:
        view = client.revoke_token(token)
    output.tell(view, lambda: styled(f"Token {view.id} ({view.name}) is revoked."))
    return DONE
