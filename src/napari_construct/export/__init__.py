"""What is written to disk: masks, class activation maps, overlays, records. Every write is atomic."""
