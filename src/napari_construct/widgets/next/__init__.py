"""The dock Where next: regions that are worth a look, one after another."""
