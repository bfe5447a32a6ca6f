"""Rules over a whole configuration, one file each, registered in one table.

A rule looks at a `Draft` and yields problems. It never changes anything, and it is silent about
what only follows from a part that was taken out for its own errors.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, TypeAlias

from seawall import limits
from seawall.site.draft import Draft
from seawall.site.problem import Problem
from seawall.site.rules import (
    bad_bot_model,
    bad_bot_rule,
    bad_certificate,
    bad_list,
    bad_regex,
    bad_rewrite,
    balance_key,
    bot_rule_blocks_everyone,
    bot_rule_duplicate,
    bot_rule_unreachable,
    bot_rules_observed,
    certificate_expired,
    certificate_expires_soon,
    certificate_key_mismatch,
    certificate_missing_name,
    certificate_without_https,
    challenge_needs_page,
    contradictory_timeouts,
    duplicate_endpoint,
    duplicate_host,
    duplicate_route,
    empty_site,
    file_missing,
    file_unreadable,
    golden_credentials,
    golden_unknown_host,
    golden_unreachable,
    golden_unsafe_method,
    hsts_preload_incomplete,
    hsts_without_https,
    https_without_certificate,
    key_file_permissions,
    listener_taken_twice,
    missing_origin,
    no_listener,
    no_sites,
    origin_scheme_mixed,
    origin_tls,
    origin_verify_off,
    protocol_mismatch,
    ranges_without_list,
    redirect_loop,
    redirect_without_https,
    reserved_list,
    retrain_model_file,
    robots_twice,
    rollout_cannot_finish,
    rollout_deadline,
    rollout_not_growing,
    too_many,
    trusted_proxies_everyone,
    unknown_bot,
    unknown_certificate,
    unknown_list,
    unknown_origin,
    unreachable_route,
    unused_definition,
    unused_list,
)
from seawall.site.rules.rule import Rule

Check: TypeAlias = Callable[[Draft], Iterator[Problem]]

RULES: Final[tuple[tuple[Rule, Check], ...]] = (
    (bad_bot_model.RULE, bad_bot_model.check),
    (bad_bot_rule.RULE, bad_bot_rule.check),
    (bad_certificate.RULE, bad_certificate.check),
    (bad_list.RULE, bad_list.check),
    (bad_regex.RULE, bad_regex.check),
    (bad_rewrite.RULE, bad_rewrite.check),
    (balance_key.RULE, balance_key.check),
    (bot_rule_blocks_everyone.RULE, bot_rule_blocks_everyone.check),
    (bot_rule_duplicate.RULE, bot_rule_duplicate.check),
    (bot_rule_unreachable.RULE, bot_rule_unreachable.check),
    (bot_rules_observed.RULE, bot_rules_observed.check),
    (certificate_expired.RULE, certificate_expired.check),
    (certificate_expires_soon.RULE, certificate_expires_soon.check),
    (certificate_key_mismatch.RULE, certificate_key_mismatch.check),
    (certificate_missing_name.RULE, certificate_missing_name.check),
    (certificate_without_https.RULE, certificate_without_https.check),
    (challenge_needs_page.RULE, challenge_needs_page.check),
    (contradictory_timeouts.RULE, contradictory_timeouts.check),
    (duplicate_endpoint.RULE, duplicate_endpoint.check),
    (duplicate_host.RULE, duplicate_host.check),
    (duplicate_route.RULE, duplicate_route.check),
    (empty_site.RULE, empty_site.check),
    (file_missing.RULE, file_missing.check),
    (file_unreadable.RULE, file_unreadable.check),
    (golden_credentials.RULE, golden_credentials.check),
    (golden_unknown_host.RULE, golden_unknown_host.check),
    (golden_unreachable.RULE, golden_unreachable.check),
    (golden_unsafe_method.RULE, golden_unsafe_method.check),
    (hsts_preload_incomplete.RULE, hsts_preload_incomplete.check),
    (hsts_without_https.RULE, hsts_without_https.check),
    (https_without_certificate.RULE, https_without_certificate.check),
    (key_file_permissions.RULE, key_file_permissions.check),
    (listener_taken_twice.RULE, listener_taken_twice.check),
    (missing_origin.RULE, missing_origin.check),
    (no_listener.RULE, no_listener.check),
    (no_sites.RULE, no_sites.check),
    (origin_scheme_mixed.RULE, origin_scheme_mixed.check),
    (origin_tls.RULE, origin_tls.check),
    (origin_verify_off.RULE, origin_verify_off.check),
    (protocol_mismatch.RULE, protocol_mismatch.check),
    (ranges_without_list.RULE, ranges_without_list.check),
    (redirect_loop.RULE, redirect_loop.check),
    (redirect_without_https.RULE, redirect_without_https.check),
    (reserved_list.RULE, reserved_list.check),
    (retrain_model_file.RULE, retrain_model_file.check),
    (robots_twice.RULE, robots_twice.check),
    (rollout_cannot_finish.RULE, rollout_cannot_finish.check),
    (rollout_deadline.RULE, rollout_deadline.check),
    (rollout_not_growing.RULE, rollout_not_growing.check),
    (too_many.RULE, too_many.check),
    (trusted_proxies_everyone.RULE, trusted_proxies_everyone.check),
    (unknown_bot.RULE, unknown_bot.check),
    (unknown_certificate.RULE, unknown_certificate.check),
    (unknown_list.RULE, unknown_list.check),
    (unknown_origin.RULE, unknown_origin.check),
    (unreachable_route.RULE, unreachable_route.check),
    (unused_definition.RULE, unused_definition.check),
    (unused_list.RULE, unused_list.check),
)
"""Every rule, with its documentation."""


def run_rules(draft: Draft) -> Iterator[Problem]:
    """What every rule finds; of one rule no more than can be shown, and one."""
    for _, check in RULES:
        yield from islice(check(draft), limits.SITE_PROBLEMS_MAX + 1)
