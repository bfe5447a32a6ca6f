"""Values into what people read: every function here draws, none of them fetches or decides."""
