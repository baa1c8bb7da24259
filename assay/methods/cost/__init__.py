"""Cost: time, memory, arithmetic, energy and money of one answer."""
