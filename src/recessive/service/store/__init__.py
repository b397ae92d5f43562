"""What the service remembers: jobs and keys in a database, photos in a folder."""
