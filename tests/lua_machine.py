"""LuaJIT in process: the modules of the bot filter, one machine a test."""

from pathlib import Path
from typing import Any

from lupa import luajit21

LUA = Path(__file__).parents[1] / "src" / "seawall" / "bots" / "lua"


def machine() -> Any:
    """A fresh LuaJIT; texts cross as bytes in Latin-1, so every byte can be sent."""
    return luajit21.LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)


def module(runtime: Any, name: str) -> Any:
    """What a module of the filter returns."""
    return runtime.execute((LUA / f"{name}.lua").read_text("utf-8"))
