"""Cross-modal distillation: a one-channel student learns from a teacher that sees all channels.

After Mohammad, Ritu and Sakhawat 2026 (arXiv 2606.00928), who published no formulas: those here are ours,
and each says after what it is made.
"""
