"""What is done with a job: its photo is protected by a worker process, delivered, and finally removed.

    supervisor  starts the worker processes of a server, and starts them again when they die
    worker      a worker process: claims a job, keeps its lease while the photo is processed, and records the outcome
    processing  from a job to its result: the protected photo, its report, insight and contact sheet
    delivery    a thread of each worker that delivers protected photos to the targets of their owners
    targets     which targets are allowed
    cleaning    a thread of servers and workers that requeues lost jobs and removes what has expired
    background  threads beside the main work, and database calls that outlast an outage

A worker may be killed at any moment. Files are written to a folder that only its claim uses; then the row of the job is
changed; then the original is deleted. So the row always says which files count. Start with `worker`.
"""
