"""Names of origins: a small forwarder that remembers the last addresses of each (RFC 8767)."""
