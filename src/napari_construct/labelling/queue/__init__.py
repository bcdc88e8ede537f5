"""Where to look next: regions ranked by what a person's look at them is expected to bring."""
