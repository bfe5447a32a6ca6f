"""The outages, one a file; `ALL` is the order in which they are run and shown."""

from typing import Final

from seawall.drill.outages import (
    blank_policy,
    core_cut_off,
    decoder_bomb,
    empty_parameter,
    empty_record,
    expired_certificates,
    feature_file,
    kill_switch,
    minimal_default,
    rule_cpu,
    schema_mismatch,
    slow_poison,
    stale_plan,
    tenant_config,
)
from seawall.drill.scene import Drill

ALL: Final[tuple[Drill, ...]] = (
    feature_file.DRILL,
    kill_switch.DRILL,
    rule_cpu.DRILL,
    tenant_config.DRILL,
    schema_mismatch.DRILL,
    blank_policy.DRILL,
    stale_plan.DRILL,
    empty_record.DRILL,
    slow_poison.DRILL,
    minimal_default.DRILL,
    decoder_bomb.DRILL,
    empty_parameter.DRILL,
    core_cut_off.DRILL,
    expired_certificates.DRILL,
)
