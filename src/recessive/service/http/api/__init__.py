"""The HTTP API: one file for each group of routes, and the shapes of what they take and give."""
