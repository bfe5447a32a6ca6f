"""Runtime values that follow the site file: they change in a running Envoy without a trace."""

from envoy.service.runtime.v3 import rtds_pb2
from google.protobuf import struct_pb2

from seawall.compiler import names
from seawall.compiler.snapshot import Resource, TypeUrl
from seawall.compiler.wire import body_of
from seawall.model import AccessLogPolicy

_MILLION = 1_000_000


def compile_runtime(policy: AccessLogPolicy) -> Resource:
    """The runtime layer `seawall`."""
    layer = struct_pb2.Struct()
    # The filter reads a plain number of millionths; a fraction as a struct is ignored silently.
    layer.fields[names.RUNTIME_ACCESS_LOG_SAMPLE].number_value = round(
        policy.sample_share * _MILLION
    )
    if policy.off:
        layer.fields[names.RUNTIME_ACCESS_LOG_ON].number_value = 0
    runtime = rtds_pb2.Runtime(name=names.RUNTIME_LAYER, layer=layer)
    return Resource(TypeUrl.RUNTIME, names.RUNTIME_LAYER, body_of(runtime), "edge")
