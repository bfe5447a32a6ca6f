"""The traffic zoo: real clients against a real edge on loopback, with known labels; docs/zoo.md."""
