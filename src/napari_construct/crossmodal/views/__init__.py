"""What a step of a distillation sees: prepared images and random views of them."""
