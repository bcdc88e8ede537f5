"""Models taught by example: what a person painted, and what is learned from it at once."""
