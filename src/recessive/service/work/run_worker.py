"""A worker as a process of its own, until it is told to end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

from recessive.service.settings import ServiceSettings
from recessive.service.store.database import DatabaseError
from recessive.service.store.storage import StorageError
from recessive.service.work.worker import work

ENVIRONMENT = "RECESSIVE_SERVICE"
"""Variable with the settings as JSON: options, a database's password among them, could be read by all users."""

NICENESS = 10  # the server comes first
LAST_WORDS = 15.0  # seconds that a worker gets to put its job back once its server is gone
FAILED = 2
_log = logging.getLogger(__name__)


def run_worker(settings: ServiceSettings, stop: threading.Event | None = None) -> None:
    """Work until SIGTERM or SIGINT, in good order; a second one ends the process at once.

    Runs in the main thread, which gets the signals.

    Args:
        settings: of the service.
        stop: another way to end.

    Raises:
        StorageError: as `work`.
        DatabaseError: likewise.
    """
    stop = stop or threading.Event()

    def told(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    if hasattr(os, "nice"):
        os.nice(NICENESS)
    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        # In a thread of its own: the handler sets `stop` in this one, which therefore must never wait for it.
        with ThreadPoolExecutor(1, "work") as threads:
            working = threads.submit(work, settings, stop=stop)
            wait([working])
            working.result()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """What `Workers` starts: settings by environment, and an end when standard input is closed."""
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("recessive").setLevel(logging.INFO)
    stop = threading.Event()
    threading.Thread(target=_outlive_nobody, args=(stop,), name="parent", daemon=True).start()
    try:
        run_worker(ServiceSettings.model_validate_json(os.environ[ENVIRONMENT]), stop)
    except (DatabaseError, StorageError) as error:
        _log.error("%s", error)
        return FAILED
    return 0


def _outlive_nobody(stop: threading.Event) -> None:
    """End this process when the one that started it is gone, however it went: the system closes the pipe."""
    while os.read(0, 1):  # not sys.stdin, whose lock would be in the way when Python ends
        pass
    stop.set()
    time.sleep(LAST_WORDS)
    os._exit(FAILED)


if __name__ == "__main__":
    sys.exit(main())
