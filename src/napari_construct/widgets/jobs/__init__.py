"""Long jobs of widgets: the only door to threads, and the strip that runs and cancels them."""
