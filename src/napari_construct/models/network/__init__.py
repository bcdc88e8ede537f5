"""The trainable network: adapters, fusion, prototypes, calibration, the U-Net; and its builder."""
