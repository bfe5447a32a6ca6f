"""The Lua module of verified bots in a LuaJIT in this process, as Envoy's filter has it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lupa.luajit21 import LuaRuntime

from seawall.verify.catalogue import Catalogue, catalogue
from seawall.verify.lua import render

SOURCE = Path(__file__).parents[2] / "src" / "seawall" / "bots" / "lua" / "verified.lua"


def load(
    lists: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    bots: Catalogue | None = None,
) -> Any:
    """The module with its data in use, and its files in `folder`."""
    lua = LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)
    module = lua.execute(SOURCE.read_text())
    module.use(lua.execute(render(bots or catalogue(), lists or {})))
    if folder is not None:
        module.open(str(folder / "verified.map"), str(folder / "claims.map"))
    return module
