"""Remedies through the service: from an audit to a candidate and the gate's answer."""
