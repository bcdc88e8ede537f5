"""PNG, JPEG, BMP, JPEG 2000 and WebP as images."""
