"""A snapshot as YAML that people review: packed messages opened, secrets and long text left out."""

import hashlib
from typing import Any

import yaml
from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from seawall.compiler.check import _CLASSES
from seawall.compiler.snapshot import Snapshot, TypeUrl
from seawall.secret import REDACTED

LUA_ENTRY = "function envoy_on_request("
SECRET_FIELDS = {"private_key", "certificate_chain"}


def readable(snapshot: Snapshot, *, bootstrap: bool) -> str:
    """All resources; the bootstrap only when asked for, since every edge has the same."""
    documents = [
        {
            "resource": f"{resource.type_url.short} {resource.name}",
            "owner": resource.owner,
            "body": _tree(_CLASSES[resource.type_url].FromString(resource.body)),
        }
        for resource in snapshot.resources
        if bootstrap or resource.type_url is not TypeUrl.BOOTSTRAP
    ]
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=100)


def _tree(message: Any) -> Any:
    if isinstance(message, any_pb2.Any):
        return _opened(message)
    tree: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name in SECRET_FIELDS:
            tree[field.name] = REDACTED
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            tree[field.name] = {str(key): _value(field, value[key]) for key in sorted(value)}
        elif field.is_repeated:
            tree[field.name] = [_value(field, item) for item in value]
        else:
            tree[field.name] = _value(field, value)
    newer: dict[int, list[bytes]] = {}
    for unknown in UnknownFieldSet(message):
        newer.setdefault(unknown.field_number, []).append(repr(unknown.data).encode())
    for number, values in newer.items():
        digest = hashlib.sha256(b"".join(values)).hexdigest()[:12]
        tree[f"newer field {number}"] = f"{len(values)} values, {digest}"
    return tree


def _opened(packed: Any) -> Any:
    name = packed.type_url.rpartition("/")[2]
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        return {"@type": name, "newer message": packed.value.hex()}
    opened = message_factory.GetMessageClass(descriptor).FromString(packed.value)
    return {"@type": name, **_tree(opened)}


def _value(field: Any, value: Any) -> Any:
    if isinstance(value, Message):
        return _tree(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    if field.type == FieldDescriptor.TYPE_BYTES:
        return f"{len(value)} bytes"
    if isinstance(value, str) and LUA_ENTRY in value:
        return "(the text of the bot filter)"
    return value
