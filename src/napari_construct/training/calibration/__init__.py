"""Calibration: thresholds, temperature and offsets from labelled data that was not trained on."""
