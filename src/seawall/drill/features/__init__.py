"""The machine-made model file of 18 November 2025: who lists its features, and what breaks it."""
