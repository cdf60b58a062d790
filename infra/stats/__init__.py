"""Statistics in one command: from a question to a job."""
