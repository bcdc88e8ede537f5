"""The training loop: set-up, steps, averages, states."""
