"""What may happen now: stops and pauses, and the gate that everyone asks."""
