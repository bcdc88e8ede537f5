"""What a student is trained for: terms and their weights."""
