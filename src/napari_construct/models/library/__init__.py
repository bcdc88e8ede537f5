"""The models on this computer: overview, sharing, importing, model cards, diagnostics."""
