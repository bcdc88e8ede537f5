"""The networks behind the protocol: one file an architecture."""
