"""What is read from disk: images, masks, and datasets with image-level labels."""
