"""What one step sees: patches, views, augmentation, mosaics, sampling."""
