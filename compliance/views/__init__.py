"""Pages of compliance: reviews, the desk, replies, stages, controls."""
