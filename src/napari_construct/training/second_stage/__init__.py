"""The second stage: pseudo masks of the first train a U-Net."""
