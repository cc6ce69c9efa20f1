"""The journeys: one file each. Only here rooms meet in one transaction, and only here is the job queue known."""
