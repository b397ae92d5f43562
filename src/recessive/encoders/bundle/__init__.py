"""Encoders: bundle."""
