"""Encoders: features."""
