"""What is done with a job: photos protected by worker processes, delivered, and cleared away."""
