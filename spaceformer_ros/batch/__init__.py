"""Many files: workers, resuming, results."""
