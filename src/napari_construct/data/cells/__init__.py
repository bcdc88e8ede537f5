"""Images of cells with or without instance labels."""
