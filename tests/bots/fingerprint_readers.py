"""The Lua modules of fingerprints as Python objects."""

from typing import Any

import lupa.luajit21 as lupa

from seawall.bots import ja4
from seawall.bots.script import module


class Reader:
    """The Lua object, with facts as a Python mapping."""

    def __init__(self, table: str) -> None:
        self.lua = lupa.LuaRuntime(encoding="latin-1")
        self.object = self.lua.execute(module("ja4")).new(table)

    def read(self, text: object) -> dict[str, Any]:
        return dict(self.object.read(self.object, text))


class Agents:
    """The Lua objects of one table: agents, and ja4 for what they are compared with."""

    def __init__(self) -> None:
        self.lua = lupa.LuaRuntime(encoding="latin-1")
        self.object = self.lua.execute(module("agent")).new(ja4.lua_table())
        self.ja4 = self.lua.execute(module("ja4")).new(ja4.lua_table())

    def read(self, text: object) -> dict[str, Any]:
        return dict(self.object.read(self.object, text))

    def against(self, text: str | None, fingerprint: str | None) -> tuple[int, int]:
        claim = self.object.read(self.object, text)
        shake = self.ja4.read(self.ja4, fingerprint)
        return (
            self.object.agreement(self.object, shake, claim),
            self.object.gap(self.object, shake, claim),
        )
