"""What `quorate new` writes: a job, a task, made-up data of three owners, and what to do next."""

from .writing import Written, write_project

__all__ = ["Written", "write_project"]
