"""From activation to labels: presence, glass, confidence, the dense CRF and the record."""
