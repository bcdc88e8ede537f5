"""Fine-tuning of a model on corrected pixels."""
