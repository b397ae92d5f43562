"""Indexing: describe the photos below a folder once, store the descriptions in one file, and search it with others.

`index_photos` describes each photo with one encoder (a network, visual words, or a descriptor such as CEDD) and writes
an index: the descriptions, the names, sizes and times of the photos, and a card that records the encoder with its
digest. Indexing the same folder again brings the index up to date: only new and changed photos are described. While it
runs, finished descriptions are saved in a hidden folder beside the index, so that an interrupted run can be resumed.
`PhotoIndex` opens an index, loads the encoder that its card names, and searches it with any number of photos.

- `index.py`: how an index is built, and its card. Start here.
- `partial.py`: descriptions that can be reused: those of the existing index, and those of an interrupted run.
- `search.py`: how an index is searched.

The file format is in `recessive.galleries.index_file`, the encoders are in `recessive.searchers`.
"""

from recessive.indexing.index import IndexReport, index_photos
from recessive.indexing.search import PhotoIndex, SearchReport, SearchResult, search_index

__all__ = ["IndexReport", "PhotoIndex", "SearchReport", "SearchResult", "index_photos", "search_index"]
