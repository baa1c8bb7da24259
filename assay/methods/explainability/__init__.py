"""Methods of the pillar explainability."""
