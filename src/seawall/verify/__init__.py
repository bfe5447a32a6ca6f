"""Verified bots: whether a client that names itself a bot is that bot. No answer is a guess.

Three proofs: reverse DNS with forward confirmation (`dns`), ranges that the operator publishes
(`ranges`), and signed requests (`signature`). Three outcomes (`outcome`). Nothing here stands on a
request's path except the Lua module `bots/lua/verified.lua`, which reads what this package found
out before (`mapping`).
"""
