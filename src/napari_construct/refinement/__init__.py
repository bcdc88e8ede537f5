"""From CAMs to masks: probabilities, the dense CRF, and a safeguard that says what refinement changed."""
