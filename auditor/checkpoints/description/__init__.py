"""What all adapters need to read a foreign checkpoint: facts by name, tensors by name."""
