"""Settings of training and their files."""
