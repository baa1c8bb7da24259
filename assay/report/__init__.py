"""Charts, templates, PDF, signing, verification."""
