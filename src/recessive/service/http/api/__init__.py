"""The HTTP API: a module for each group of routes, and the shapes of their JSON.

An endpoint is a coroutine in `jobs`, `results` or `catalogue` (a new group is a module that `app` includes). It takes
what it needs as annotated parameters from `dependencies`, returns a shape from `shapes`, and lists its refusals with
`document.problems`. `options` reads the options of a job, `pages` serves the page and /docs.
"""
