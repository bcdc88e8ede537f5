"""Inference: any image in, class activation maps and a mask out."""
