"""TIFF files, opened after their directories were walked within bounds."""
