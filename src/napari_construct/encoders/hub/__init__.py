"""The model hub: its addresses, credentials, errors, mirrors, and weights on this computer."""
