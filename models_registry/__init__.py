"""AI systems, models, versions, datasets and their stored files."""
