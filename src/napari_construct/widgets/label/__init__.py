"""The dock widget Label patches."""
