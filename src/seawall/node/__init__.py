"""The agent of one machine and its Envoy: see `agent`. It needs no control process to serve."""
