"""Arrays that numpy wrote, read row by row and without pickle."""
