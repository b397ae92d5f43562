"""How people and programs reach the service: the API, the page, and who may."""
