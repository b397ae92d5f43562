"""Watching: protect the photos that arrive in a folder, and publish those that searches do not find.

A watch uses three folders that lie apart. Photos arrive in the first, which is only read. Protected photos that may be
released are published in OUT, where nothing else ever lies. The others are held in a third folder, whose subfolder
`.recessive` is the memory of the watch: its lock, its journal, and photos that have no verdict yet.

A photo passes four stages, one file each:

- `arrivals.py` lists the watched folder, and says which files have stopped changing.
- `photo.py` protects one photo and decides whether it is published, held, rejected, or tried again later.
- `outbox.py` moves a decided photo to where it belongs. The decision is written to the journal first (`journal.py`), so
  that a move that was cut short is completed after a restart, and no photo is protected twice.
- `watch.py` is the loop over these stages: it waits, retries, reports, and stops. Start here.
"""

from recessive.watching.photo import WatchedPhoto
from recessive.watching.watch import watch_photos

__all__ = ["WatchedPhoto", "watch_photos"]
