"""`policy.lua` in process, asked with the same facts as its twin in Python."""

from importlib import resources
from typing import Any

from lupa.luajit21 import LuaRuntime

from seawall.bots.expression_names import Facts
from seawall.model import BOT_WINDOWS_S


class LuaPolicy:
    """The module, loaded once."""

    def __init__(self) -> None:
        self.runtime = LuaRuntime(unpack_returned_tuples=True, encoding="utf-8")
        source = (resources.files("seawall.bots") / "lua" / "policy.lua").read_text("utf-8")
        self.module: Any = self.runtime.execute(source)

    def compile(self, text: object) -> tuple[Any, str]:
        """The policy object of `text`, and why there is none."""
        found = self.module.compile(text)
        return found if isinstance(found, tuple) else (found, "")

    def table(self, facts: Facts, **more: object) -> Any:
        """`facts` as the filter hands them over."""
        fields: dict[str, object] = {
            "path": facts.path,
            "method": facts.method,
            "host": facts.host,
            "protocol": facts.protocol,
            "score": facts.score,
            "verified": facts.verified,
            "impostor": facts.impostor,
            "claims": facts.claims,
            "category": facts.category,
            "cleared": facts.cleared,
            "request_id": "3f9c0d1e-0000-4000-8000-000000000001",
            **{f"r{s}": n for s, n in zip(BOT_WINDOWS_S, facts.requests, strict=True)},
        }
        table = self.runtime.table_from({k: v for k, v in fields.items() if v is not None})
        table.codes = self.runtime.table_from(list(facts.codes))
        for key, value in more.items():
            table[key] = value
        return table

    def decide(self, policy: Any, facts: Facts, **more: object) -> tuple[str, str, Any]:
        """Action, rule (empty for none) and detail."""
        action, rule, detail = policy.decide(policy, self.table(facts, **more))
        return action, rule or "", detail
