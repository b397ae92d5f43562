"""The service: photos come in over HTTP, wait as jobs in a database, and leave protected."""
