"""Base templates, styles, and the pages that mix several apps."""
