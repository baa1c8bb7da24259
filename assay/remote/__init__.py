"""Talking to an Assay service: who is signed in where, requests that survive a lost connection, uploads."""
