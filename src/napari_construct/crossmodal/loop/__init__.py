"""Training of a student: prepared images, views, steps, state."""
