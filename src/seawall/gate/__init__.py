"""What a release must survive before one real request meets it."""
