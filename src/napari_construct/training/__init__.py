"""Training with image-level labels: views, objective, loop, calibration, second stage."""
