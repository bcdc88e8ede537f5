"""Teachers: the catalogue, one file for each kind, and their outputs on disk."""
