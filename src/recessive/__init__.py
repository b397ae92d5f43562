"""recessive: photos that look the same to people and are silent to machines that search for them.

The rooms, from the bottom of the stair to the top: `photos`, `codes`, `balls`; `transforms`, `quality`;
`encoders`, `galleries`; `protection`, `exposure`; `workflows`; `cli`. See docs/design.md.
"""

__version__ = "0.1.0"
