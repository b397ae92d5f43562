"""The queue as all who use it see it, in one object."""

from recessive.service.store.claims import Claims
from recessive.service.store.cleaning import Cleaner
from recessive.service.store.deliveries import Deliveries
from recessive.service.store.inbox import Busy, Inbox
from recessive.service.store.reading import JobReader


class Queue:
    """All classes of the store on one database."""

    def __init__(self, database, *, queue=1_000, lease=30.0, most_attempts=8):
        self.database = database
        self.inbox = Inbox(database, queue=queue)
        self.claims = Claims(database, lease=lease)
        self.deliveries = Deliveries(database, lease=4 * lease)
        self.cleaner = Cleaner(database, most_attempts=most_attempts)
        self.reader = JobReader(database)

    def add(self, new, key=None):
        """Add a job without an event loop."""
        (outcome,) = self.inbox.add_batch([(new, key)])
        if isinstance(outcome, Busy):
            raise outcome
        return outcome
