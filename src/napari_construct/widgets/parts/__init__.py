"""Parts that several dock widgets are made of."""
