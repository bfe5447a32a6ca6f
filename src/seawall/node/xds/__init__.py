"""The delta xDS protocol towards one Envoy, without any I/O: see `session`."""
