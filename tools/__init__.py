"""Programs for those who work on Seawall; nothing here is shipped."""
