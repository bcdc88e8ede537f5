"""Files that people and other programs wrote, read within bounds."""
