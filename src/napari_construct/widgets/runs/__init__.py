"""What every training run shows: its model's file, curves, pictures, and what it will take."""
