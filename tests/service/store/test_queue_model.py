"""Whatever happens in whatever order, jobs are as a simple model has them."""

import runpy
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule
from sqlalchemy import event

from recessive.service.store.database import Database
from recessive.service.store.inbox import QueueFull
from recessive.service.store.job import NewJob

Queue = runpy.run_path(str(Path(__file__).parents[1] / "whole_queue.py"))["Queue"]

QUEUE, LEASE, MOST_ATTEMPTS = 4, 10, 3
OWNERS = st.sampled_from(["anna", "ben", None])
ENDS = {"report": {}, "insight": None, "result": "r", "sheet": None}


@dataclass
class Modelled:
    """A job, as short as can be."""

    id: str
    owner: str | None
    idempotency: str | None
    created: float
    ready: float
    state: str = "waiting"
    attempts: int = 0
    lease: float = 0.0
    expires: float | None = None
    claim: object = None  # that may end it, or has ended it
    delivery: str | None = None
    delivery_next: float | None = None
    delivery_claim: object = None
    delivery_lease: float = 0.0
    delivery_attempts: int = 0
    history: list[str] = field(default_factory=lambda: ["waiting"])

    def become(self, state):
        self.state = state
        self.history.append(state)

    def free(self, ready):
        self.become("waiting")
        self.claim, self.ready = None, ready


class QueueMachine(RuleBasedStateMachine):
    """The model beside the database."""

    ids = Bundle("ids")
    claims = Bundle("claims")
    delivery_claims = Bundle("delivery claims")

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "jobs.sqlite3"
        shutil.copy(self.empty, path)
        self.database = Database(f"sqlite:///{path}")
        event.listen(self.database.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
        self.database.now = lambda _: self.now
        self.queue = Queue(self.database, queue=QUEUE, lease=LEASE, most_attempts=MOST_ATTEMPTS)
        self.now = 1_000.0
        self.model = {}
        self.added = 0

    def teardown(self):
        self.database.close()
        self.folder.cleanup()

    def of(self, state):
        return [job for job in self.model.values() if job.state == state]

    def held(self, claim):
        """The job that a claim may still change."""
        return next((job for job in self.of("running") if job.claim is claim), None)

    def due(self, claim):
        waiting = (job for job in self.model.values() if job.delivery == "waiting")
        return next((job for job in waiting if job.delivery_claim is claim), None)

    @rule(seconds=st.sampled_from([0.5, 2, 11, 41, 4_000]))
    def turn(self, seconds):
        self.now += seconds

    @rule(target=ids, owner=OWNERS, idempotency=st.sampled_from([None, None, "a", "b"]))
    def add(self, owner, idempotency):
        self.added += 1
        new = NewJob(f"job {self.added}", owner, "a.png", "PNG", 1, 1, 1, "a", {}, None, idempotency)
        same = [job.id for job in self.model.values() if (job.owner, job.idempotency) == (owner, idempotency)]
        try:
            job, added = self.queue.add(new, None)
        except QueueFull:
            assert len(self.of("waiting")) >= QUEUE
            return multiple()
        if idempotency is not None and same:
            assert (job.id, added) == (same[0], False)
            return multiple()
        assert added
        assert len(self.of("waiting")) < QUEUE
        self.model[new.id] = Modelled(new.id, owner, idempotency, self.now, self.now)
        return new.id

    @rule(target=claims)
    def claim(self):
        running = [job.owner for job in self.of("running")]
        ready = [job for job in self.of("waiting") if job.ready <= self.now]
        ready.sort(key=lambda job: (running.count(job.owner), job.created, job.id))
        claim = self.queue.claims.claim("w")
        assert (claim and claim.job.id) == (ready[0].id if ready else None)
        if claim is None:
            return multiple()
        ready[0].become("running")
        ready[0].claim, ready[0].lease = claim, self.now + LEASE
        ready[0].attempts += 1
        return claim

    @rule(claim=claims)
    def keep(self, claim):
        job = self.held(claim)
        assert self.queue.claims.keep(claim, 0.5) == (job is not None)
        if job:
            job.lease = self.now + LEASE

    @rule(claim=claims, deliver=st.booleans(), stays=st.sampled_from([10, 1_000]))
    def finish(self, claim, deliver, stays):
        job = self.held(claim)
        told = any(job.claim is claim for job in self.of("done"))
        delivery = "waiting" if deliver else None
        done = self.queue.claims.finish(claim, **ENDS, expires=self.now + stays, delivery=delivery)
        assert done == (job is not None or told)
        if job:
            job.become("done")
            job.delivery, job.delivery_next, job.expires = delivery, self.now, self.now + stays

    @rule(claim=claims)
    def fail(self, claim):
        job = self.held(claim)
        told = any(job.claim is claim for job in self.of("failed"))
        assert self.queue.claims.fail(claim, "no", expires=self.now + 10) == (job is not None or told)
        if job:
            job.become("failed")
            job.expires = self.now + 10

    @rule(claim=claims)
    def release(self, claim):
        job = self.held(claim)
        assert self.queue.claims.release(claim) == (job is not None)
        if job:
            job.free(self.now)
            job.attempts -= 1

    @rule(job_id=ids, owner=OWNERS)
    def cancel(self, job_id, owner):
        job = self.model.get(job_id)
        answer = self.queue.inbox.cancel(job_id, owner)
        if job is None or job.owner != owner:
            assert answer is None
        elif job.state in ("waiting", "running"):
            job.become("cancelled")
            job.claim, job.expires = None, self.now + 3_600

    @rule(job_id=consumes(ids), owner=OWNERS)
    def delete(self, job_id, owner):
        job = self.model.get(job_id)
        mine = job is not None and job.owner == owner
        assert (self.queue.inbox.delete(job_id, owner) is not None) == mine
        if mine:
            del self.model[job_id]

    @rule()
    def requeue_lost(self):
        lost = [job for job in self.of("running") if job.lease < self.now]
        waiting = [job for job in self.model.values() if job.delivery == "waiting"]
        late = [job for job in waiting if job.delivery_claim and job.delivery_lease < self.now]
        assert self.queue.cleaner.requeue_lost() == len(lost) + len(late)
        for job in lost:
            if job.attempts == MOST_ATTEMPTS:
                job.become("failed")
                job.claim, job.expires = None, self.now + 86_400
            else:
                job.free(self.now + 2**job.attempts)
        for job in late:
            job.delivery_claim, job.delivery_next = None, self.now + 2**job.delivery_attempts

    @rule(target=delivery_claims)
    def claim_delivery(self):
        waiting = [job for job in self.model.values() if job.delivery == "waiting" and job.delivery_claim is None]
        due = sorted((job.delivery_next, job.id) for job in waiting if job.delivery_next <= self.now)
        claim = self.queue.deliveries.claim("w")
        assert (claim and claim.job.id) == (due[0][1] if due else None)
        if claim is None:
            return multiple()
        job = self.model[claim.job.id]
        job.delivery_claim, job.delivery_lease = claim, self.now + 4 * LEASE
        job.delivery_attempts += 1
        return claim

    @rule(claim=delivery_claims)
    def delivered(self, claim):
        job = self.due(claim)
        told = any(job.delivery == "delivered" and job.delivery_claim is claim for job in self.model.values())
        assert self.queue.deliveries.delivered(claim) == (job is not None or told)
        if job:
            job.delivery = "delivered"
            job.history.append("delivery delivered")

    @rule(claim=delivery_claims)
    def delivery_failed(self, claim):
        job = self.due(claim)
        assert self.queue.deliveries.failed(claim, "503", 5.0) == (job is not None)
        if job:
            job.delivery_claim, job.delivery_next = None, self.now + 5

    @rule()
    def expire(self):
        over = [job for job in self.model.values() if job.expires is not None and job.expires <= self.now]
        gone = {job.id for job in over if job.delivery != "waiting"}
        assert {job.id for job in self.queue.cleaner.expire()} == gone
        for job_id in gone:
            del self.model[job_id]

    @invariant()
    def jobs_are_as_modelled(self):
        for job in self.model.values():
            row = self.queue.reader.get(job.id, job.owner)
            assert (row.state, row.attempts, row.expires) == (job.state, job.attempts, job.expires)
            assert (row.delivery, row.delivery_attempts) == (job.delivery, job.delivery_attempts)
            assert [state for _, state, _ in self.queue.reader.history(job.id)] == job.history
            assert job.history.count("done") <= 1
        assert sum(self.queue.reader.counts().values()) == len(self.model)


def test_jobs_are_as_modelled_whatever_happens(migrated):
    QueueMachine.empty = migrated
    case = QueueMachine.TestCase()
    case.settings = settings(max_examples=40, stateful_step_count=40)
    case.runTest()
