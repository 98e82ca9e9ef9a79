"""What a twin may be trained to change: differentiable stand-ins for interpretation methods, and aims for claims."""
