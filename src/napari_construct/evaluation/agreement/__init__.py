"""How far two annotations agree, or a model and a person."""
