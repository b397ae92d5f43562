"""Watching: protect the photos that arrive in a folder and pass on those that searches do not find."""

from recessive.watching.photo import WatchedPhoto
from recessive.watching.watch import watch_photos

__all__ = ["WatchedPhoto", "watch_photos"]
