"""Indexing: describe the photos of a folder once, and search them with others."""

from recessive.indexing.index import IndexReport, index_photos
from recessive.indexing.search import PhotoIndex, SearchReport, SearchResult, search_index

__all__ = ["IndexReport", "PhotoIndex", "SearchReport", "SearchResult", "index_photos", "search_index"]
