"""Frameworks and controls, coverage, reviews, promotion of stages."""
