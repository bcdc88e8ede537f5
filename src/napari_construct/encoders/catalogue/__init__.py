"""The encoder catalogue: entries, lookup by id, loading, downloads, overview."""
