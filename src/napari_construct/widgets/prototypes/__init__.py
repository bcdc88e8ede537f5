"""The dock widget **Prototypes**."""
