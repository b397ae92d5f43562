"""The service: photos arrive over HTTP, wait as jobs in a database, and are protected by worker processes.

    serve     the server process: database, folder, worker processes and HTTP server
    http      the HTTP API and the page
    work      what is done with a job: processing, delivery, cleaning
    store     the queue of jobs and the keys in a database, the photos in a folder
    names     file names from clients and to clients

Server and workers share nothing but the database and the folder, so that they may run on different machines. Each layer
imports only from those below it; options are declared in `recessive.options`. To understand a job's life, read `store`
first, then `work.worker`, then `http.api.jobs`.
"""
