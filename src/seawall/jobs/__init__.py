"""Work at intervals, as pure decisions: when a job is due, and what is remembered of it."""
