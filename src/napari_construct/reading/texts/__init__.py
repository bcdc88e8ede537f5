"""Text formats that people write, each read within bounds."""
