"""Enough of JSON Schema to hold answers against the OpenAPI document."""

from typing import Any

KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def check(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str = "$") -> None:
    """Fail with the place where `value` is not as `schema` says; unknown fields fail too."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        check(value, document["components"]["schemas"][name], document, at)
    elif "anyOf" in schema:
        _any(value, schema["anyOf"], document, at)
    elif "enum" in schema:
        assert value in schema["enum"], f"{at}: {value!r} is none of {schema['enum']}"
    elif "type" in schema:
        _typed(value, schema, document, at)


def _any(value: Any, kinds: list[dict[str, Any]], document: dict[str, Any], at: str) -> None:
    failures = []
    for kind in kinds:
        try:
            check(value, kind, document, at)
        except AssertionError as error:
            failures.append(str(error))
        else:
            return
    raise AssertionError(" / ".join(failures))


def _typed(value: Any, schema: dict[str, Any], document: dict[str, Any], at: str) -> None:
    kind = schema["type"]
    right = isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
    assert right, f"{at}: {value!r} is no {kind}"
    if kind == "array":
        for index, item in enumerate(value):
            check(item, schema["items"], document, f"{at}[{index}]")
    elif kind == "object":
        known = schema.get("properties")
        for name in schema.get("required", ()):
            assert name in value, f"{at}.{name} is missing"
        for name, item in value.items():
            if known is not None:
                assert name in known, f"{at}.{name} is not documented"
                check(item, known[name], document, f"{at}.{name}")
            elif "additionalProperties" in schema:
                check(item, schema["additionalProperties"], document, f"{at}.{name}")
