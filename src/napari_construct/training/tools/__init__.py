"""Around training: cross-validation, estimates of its time, the self-check of losses."""
