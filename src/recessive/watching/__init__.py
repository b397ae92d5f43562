"""Watching: protect the photos that arrive in a folder and pass on those that searches do not find."""

from recessive.watching.photo import Watched
from recessive.watching.watch import watch_photos

__all__ = ["Watched", "watch_photos"]
