"""What each command does; one file a family of commands."""
