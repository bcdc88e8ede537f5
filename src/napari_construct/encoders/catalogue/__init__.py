"""Which encoders there are: entries, lookup by id, loading, downloads, an overview for people."""
