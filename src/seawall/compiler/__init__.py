"""Model to Envoy: `compile_edge(edge) -> Snapshot`. Pure, deterministic, all or nothing."""
