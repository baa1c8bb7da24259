"""The sandboxed child, its protocol, its supervisor."""
