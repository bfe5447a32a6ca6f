"""Rules over a whole configuration, one file each, registered in one table.

A rule looks at a `Draft` and yields problems. It never changes anything, and it is silent about
what only follows from a part that was taken out for its own errors.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, TypeAlias

from seawall import limits
from seawall.site.draft import Draft
from seawall.site.problem import Problem
from seawall.site.rules import (
    address_over_https,
    answer_without_body,
    bad_bot_model,
    bad_bot_rule,
    bad_certificate,
    bad_list,
    bad_regex,
    bad_rewrite,
    balance_key,
    bot_rule_blocks_everyone,
    bot_rule_duplicate,
    bot_rule_never_holds,
    bot_rule_unreachable,
    bot_rules_observed,
    certificate_chain,
    certificate_expired,
    certificate_expires_soon,
    certificate_key_mismatch,
    certificate_missing_name,
    certificate_without_https,
    challenge_needs_page,
    contradictory_timeouts,
    duplicate_endpoint,
    duplicate_error_page,
    duplicate_host,
    duplicate_route,
    empty_site,
    error_page_never_shown,
    file_missing,
    file_unreadable,
    golden_compressed,
    golden_credentials,
    golden_unknown_host,
    golden_unreachable,
    golden_unsafe_method,
    header_overwritten,
    header_twice,
    hsts_preload_incomplete,
    hsts_without_https,
    https_without_certificate,
    key_file_permissions,
    listener_taken_twice,
    missing_origin,
    missing_version,
    no_listener,
    no_sites,
    numbers_are_no_name,
    origin_loop,
    origin_scheme_mixed,
    origin_tls,
    origin_verify_off,
    path_is_no_pattern,
    protocol_mismatch,
    ranges_without_list,
    redirect_loop,
    redirect_twice,
    redirect_without_https,
    reserved_list,
    reserved_origin,
    retrain_model_file,
    robots_against_policy,
    robots_twice,
    rollout_cannot_finish,
    rollout_deadline,
    rollout_not_growing,
    route_matches_nothing,
    site_without_listener,
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
from seawall.site.rules.rule import Rule, served_already

Check: TypeAlias = Callable[[Draft], Iterator[Problem]]

RULES: Final[tuple[tuple[Rule, Check], ...]] = (
    (address_over_https.RULE, address_over_https.check),
    (answer_without_body.RULE, answer_without_body.check),
    (bad_bot_model.RULE, bad_bot_model.check),
    (bad_bot_rule.RULE, bad_bot_rule.check),
    (bad_certificate.RULE, bad_certificate.check),
    (bad_list.RULE, bad_list.check),
    (bad_regex.RULE, bad_regex.check),
    (bad_rewrite.RULE, bad_rewrite.check),
    (balance_key.RULE, balance_key.check),
    (bot_rule_blocks_everyone.RULE, bot_rule_blocks_everyone.check),
    (bot_rule_duplicate.RULE, bot_rule_duplicate.check),
    (bot_rule_never_holds.RULE, bot_rule_never_holds.check),
    (bot_rule_unreachable.RULE, bot_rule_unreachable.check),
    (bot_rules_observed.RULE, bot_rules_observed.check),
    (certificate_chain.RULE, certificate_chain.check),
    (certificate_expired.RULE, certificate_expired.check),
    (certificate_expires_soon.RULE, certificate_expires_soon.check),
    (certificate_key_mismatch.RULE, certificate_key_mismatch.check),
    (certificate_missing_name.RULE, certificate_missing_name.check),
    (certificate_without_https.RULE, certificate_without_https.check),
    (challenge_needs_page.RULE, challenge_needs_page.check),
    (contradictory_timeouts.RULE, contradictory_timeouts.check),
    (duplicate_endpoint.RULE, duplicate_endpoint.check),
    (duplicate_error_page.RULE, duplicate_error_page.check),
    (duplicate_host.RULE, duplicate_host.check),
    (duplicate_route.RULE, duplicate_route.check),
    (empty_site.RULE, empty_site.check),
    (error_page_never_shown.RULE, error_page_never_shown.check),
    (file_missing.RULE, file_missing.check),
    (file_unreadable.RULE, file_unreadable.check),
    (golden_compressed.RULE, golden_compressed.check),
    (golden_credentials.RULE, golden_credentials.check),
    (golden_unknown_host.RULE, golden_unknown_host.check),
    (golden_unreachable.RULE, golden_unreachable.check),
    (golden_unsafe_method.RULE, golden_unsafe_method.check),
    (header_overwritten.RULE, header_overwritten.check),
    (header_twice.RULE, header_twice.check),
    (hsts_preload_incomplete.RULE, hsts_preload_incomplete.check),
    (hsts_without_https.RULE, hsts_without_https.check),
    (https_without_certificate.RULE, https_without_certificate.check),
    (key_file_permissions.RULE, key_file_permissions.check),
    (listener_taken_twice.RULE, listener_taken_twice.check),
    (missing_origin.RULE, missing_origin.check),
    (missing_version.RULE, missing_version.check),
    (no_listener.RULE, no_listener.check),
    (no_sites.RULE, no_sites.check),
    (numbers_are_no_name.RULE, numbers_are_no_name.check),
    (origin_loop.RULE, origin_loop.check),
    (origin_scheme_mixed.RULE, origin_scheme_mixed.check),
    (origin_tls.RULE, origin_tls.check),
    (origin_verify_off.RULE, origin_verify_off.check),
    (path_is_no_pattern.RULE, path_is_no_pattern.check),
    (protocol_mismatch.RULE, protocol_mismatch.check),
    (ranges_without_list.RULE, ranges_without_list.check),
    (redirect_loop.RULE, redirect_loop.check),
    (redirect_twice.RULE, redirect_twice.check),
    (redirect_without_https.RULE, redirect_without_https.check),
    (reserved_list.RULE, reserved_list.check),
    (reserved_origin.RULE, reserved_origin.check),
    (retrain_model_file.RULE, retrain_model_file.check),
    (robots_against_policy.RULE, robots_against_policy.check),
    (robots_twice.RULE, robots_twice.check),
    (rollout_cannot_finish.RULE, rollout_cannot_finish.check),
    (rollout_deadline.RULE, rollout_deadline.check),
    (rollout_not_growing.RULE, rollout_not_growing.check),
    (route_matches_nothing.RULE, route_matches_nothing.check),
    (site_without_listener.RULE, site_without_listener.check),
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


def run_rules(draft: Draft) -> list[Problem]:
    """What every rule finds; of one rule no more than can be shown, and one.

    Tells the draft in which sites and origins nothing was found that is in them alone.
    """
    sites, origins = draft.as_before()
    draft.clean_sites = {name for name, before in sites.items() if before.clean}
    draft.clean_origins = {name for name, before in origins.items() if before.clean}
    left = draft.alone(
        (name for name in draft.sites if name not in draft.clean_sites),
        (name for name in draft.origin_places if name not in draft.clean_origins),
    )
    problems: list[Problem] = []
    doubts: list[Check] = []
    for rule, check in RULES:
        looked_at = left if rule.alone else draft
        found = list(islice(check(looked_at), limits.SITE_PROBLEMS_MAX + 1))
        if rule.alone and found:
            doubts.append(check)
        younger = rule.younger and draft.serves_already
        problems.extend(map(served_already, found) if younger else found)
    draft.clean_sites |= {
        name
        for name in left.sites
        if name not in sites and not _finds(doubts, left.alone((name,), ()))
    }
    draft.clean_origins |= {
        name
        for name in left.origin_places
        if name not in origins and not _finds(doubts, left.alone((), (name,)))
    }
    return problems


def _finds(checks: Iterable[Check], draft: Draft) -> bool:
    return any(next(check(draft), None) is not None for check in checks)
