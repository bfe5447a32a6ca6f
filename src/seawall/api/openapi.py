"""The OpenAPI 3.1 document, made from the table of operations and the annotations of the shapes.

Nothing is written by hand twice: a field's type and a class's docstring are what the code uses.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from inspect import cleandoc
from typing import Any, Final, Literal, NewType, Union, get_args, get_origin

from seawall import __version__
from seawall.api.codec import hints
from seawall.api.operation import NDJSON, Operation, Query
from seawall.api.operations import OPERATIONS
from seawall.api.views import ErrorView

_PLAIN: Final[Mapping[Any, Mapping[str, str]]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    bytes: {"type": "string", "contentEncoding": "base64"},
    types.NoneType: {"type": "null"},
    dict: {"type": "object"},
}


@cache
def document() -> dict[str, Any]:
    """The whole document; treat it as read-only."""
    schemas: dict[str, Any] = {}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        entry = _operation(operation, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Seawall",
            "version": __version__,
            "description": "Releases and state of a Seawall edge. Errors are `ErrorView`.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "x-scope": operation.scope,
        "parameters": [*_path_parameters(operation.path), *map(_query, operation.query)],
        "responses": _responses(operation, schemas),
    }
    if operation.scope in {"read", "write"}:
        entry["security"] = [{"token": []}]
    if operation.request is not None:
        content = {"application/json": {"schema": schema_of(operation.request, schemas)}}
        entry["requestBody"] = {"required": True, "content": content}
    return entry


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done."}
    if operation.answer is not None:
        schema = schema_of(operation.answer, schemas)
        if operation.media == NDJSON:
            done["description"] = "One JSON object a line; the last is `applied` or `refused`."
        done["content"] = {operation.media: {"schema": schema}}
    elif operation.media != "application/json":
        done["content"] = {operation.media: {}}
    responses = {str(operation.status): done}
    if operation.name == "assignment":
        responses["204"] = {"description": "Nothing newer."}
    error = {"application/json": {"schema": schema_of(ErrorView, schemas)}}
    responses["default"] = {"description": "Any failure.", "content": error}
    return responses


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    return [{"name": name, "in": "path", "required": True, "schema": text} for name in names]


def _query(query: Query) -> dict[str, Any]:
    schema: dict[str, Any] = dict(_PLAIN[query.kind])
    if query.kind is not str:
        schema["minimum"] = query.least
    if not query.required:
        schema["default"] = query.default
    return {
        "name": query.name,
        "in": "query",
        "required": query.required,
        "description": query.doc,
        "schema": schema,
    }


def schema_of(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:  # noqa: PLR0911 - one return per shape
    """The JSON Schema of an annotation; dataclasses are put into `schemas` and referred to."""
    while isinstance(kind, NewType):
        kind = kind.__supertype__
    origin = get_origin(kind)
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if origin is Literal:
        return {"enum": list(get_args(kind))}
    if origin in (types.UnionType, Union):
        return {"anyOf": [schema_of(part, schemas) for part in get_args(kind)]}
    if origin is tuple:
        return {"type": "array", "items": schema_of(get_args(kind)[0], schemas)}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema_of(get_args(kind)[1], schemas)}
    if is_dataclass(kind):
        return _object(kind, schemas)
    if issubclass(kind, StrEnum):
        return {"enum": [item.value for item in kind]}
    raise TypeError(f"{kind} has no JSON Schema")


def _object(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    name = kind.__name__
    if name not in schemas:
        schemas[name] = {}  # stands while its own fields are read, so that a cycle would end
        types_by_name = hints(kind)
        required = [
            field.name
            for field in fields(kind)
            if field.default is MISSING and field.default_factory is MISSING
        ]
        schemas[name] = {
            "type": "object",
            "description": cleandoc(kind.__doc__ or ""),
            "properties": {f.name: schema_of(types_by_name[f.name], schemas) for f in fields(kind)},
            "required": required,
        }
    return {"$ref": f"#/components/schemas/{name}"}
