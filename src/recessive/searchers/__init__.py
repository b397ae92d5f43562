"""Searchers: whatever describes photos and searches for them, by name."""
