"""From pixels to activation: the predictor, its tiles, resampling and devices."""
