"""A model without training, from words and example patches."""
