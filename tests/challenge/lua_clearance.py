"""`clearance.lua` in an in-process LuaJIT, and what one verification costs there.

    python tests/challenge/lua_clearance.py

prints microseconds for an unknown token (four SHA-256 blocks) and for a remembered one.
"""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lupa.luajit21 import LuaRuntime

from seawall.challenge.binding import Bound
from seawall.challenge.token import mint
from seawall.model.clearance import ClearanceKey, ClearanceKeys
from seawall.secret import Secret

SOURCE = Path(__file__).parents[2] / "src" / "seawall" / "bots" / "lua" / "clearance.lua"
NOW_S = 1_800_000_000.0
BOUND = Bound("shop.example", "203.0.113.0/24", "t13d15h2_8daaf6152771")
KEYS = ClearanceKeys(
    ClearanceKey("k2", Secret(bytes(range(32)))), ClearanceKey("k1", Secret(bytes(range(1, 33))))
)


class LuaClearance:
    """The Lua module with its keys, called like `token.check`."""

    def __init__(self, epoch: int) -> None:
        self.lua = LuaRuntime(unpack_returned_tuples=True, encoding="latin-1")
        self.module = self.lua.execute(SOURCE.read_text())
        table = self.lua.table_from({k.kid: k.value.reveal().hex() for k in KEYS})
        self.object = self.module.new(self.lua.table_from({"keys": table, "epoch": epoch}))

    def check(self, text: Any, host: Any, prefix: Any, ja4: Any, now_s: Any) -> tuple[Any, ...]:
        """`(level, reason, probes)`, None where Lua has nil."""
        got = self.object.check(self.object, text, host, prefix, ja4, now_s)
        values = got if isinstance(got, tuple) else (got,)
        return (*values, None, None)[:3]


def cost_us() -> Mapping[str, float]:
    """Microseconds of one check, by kind."""
    clearance = LuaClearance(7)
    tokens = [
        mint(KEYS, BOUND, level=2, epoch=7, now_s=NOW_S, lifetime_s=3600, nonce=f"{n:016d}")
        for n in range(20_000)
    ]
    loop = clearance.lua.eval(
        """function(c, tokens, n, now)
          local ok = 0
          for i = 1, n do
            if c:check(tokens[i], "shop.example", "203.0.113.0/24", "t13d15h2_8daaf6152771", now)
            then ok = ok + 1 end
          end
          return ok
        end"""
    )
    figures = {}
    same = [tokens[0]] * len(tokens)
    for kind, batch in (("warm-up", tokens), ("unknown", tokens), ("known", same)):
        table = clearance.lua.table_from(batch)
        clearance.object.newer = clearance.lua.table()
        clearance.object.older = clearance.lua.table()
        began = time.perf_counter()
        assert loop(clearance.object, table, len(batch), NOW_S) == len(batch)
        figures[kind] = (time.perf_counter() - began) / len(batch) * 1e6
    return figures


if __name__ == "__main__":
    for name, figure in cost_us().items():
        sys.stdout.write(f"{name}: {figure:.2f} us\n")
