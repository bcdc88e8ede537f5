"""The objective: the losses of one step and what they are computed from."""
