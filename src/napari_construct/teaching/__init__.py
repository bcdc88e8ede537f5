"""Models from what a person paints: strokes, corrections."""
