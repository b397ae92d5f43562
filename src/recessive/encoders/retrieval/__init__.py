"""Encoders: retrieval."""
