"""How people and programs reach the service: the HTTP API, the page, and who may use them.

    app          the ASGI app: middleware, routes and what they share
    access       which requests are allowed: host names, other web sites, keys; and the headers for browsers
    exchange     how requests and responses travel: middleware, HEAD, early answers, streams, slow connections
    problems     every refusal and every fault as a problem document (RFC 9457)
    uploads      a form with one photo, read as it arrives, until its job is accepted
    events       changes of jobs as server-sent events
    short_cache  answers of the database that many requests share for a moment
    metrics      figures for Prometheus
    api          the routes, and the shapes of the JSON that they return

A request passes the middleware in the order that `app` lists, then a route in `api`. Routes are coroutines; they call
the database and the disk in threads.
"""
