"""The trainable network: where encoder and head meet."""
