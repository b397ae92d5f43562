"""What the service remembers: jobs and keys in a database, photos in a folder.

The table of jobs is the queue. Each module has the SQL of one party that uses it, and one class on a shared `Database`:

    inbox       clients: a job is accepted within the quotas, cancelled, or deleted
    claims      workers: a job is claimed, its lease extended, and the job finished, failed or released
    deliveries  workers: the delivery of a protected photo is claimed, and its outcome recorded
    cleaning    server and workers: lost jobs are requeued, expired jobs removed, and orphaned files swept
    reading     clients, the page and metrics: jobs are looked up, listed and counted, and their history is told

A claim has a token and a lease. Whoever ends the claim (the worker, an owner who cancels, another process that finds
the lease expired) changes the token or the state of the row, and every later call with the same claim is refused. So
each job is done once, whichever process is killed at whatever moment. `job` defines the types and how they map to rows,
`tables` the schema, `migrations` its history, and `storage` the folder. Start with `job` and `claims`.
"""
