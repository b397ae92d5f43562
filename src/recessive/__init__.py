"""recessive: photos that look the same to people and that searches by content no longer return.

Packages, from the bottom layer to the top: `photos`, `codes`, `balls`; `transforms`, `quality`; `encoders`,
`galleries`, `datasets`; `searchers`; `hashing`, `protection`, `exposure`; `indexing`, `reports`; `workflows`;
`watching`; `service`; `cli`. docs/design.md explains them.
"""

__version__ = "0.1.0"
