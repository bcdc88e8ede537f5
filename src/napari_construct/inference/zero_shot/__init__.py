"""Zero-shot models from class descriptions or example regions."""
