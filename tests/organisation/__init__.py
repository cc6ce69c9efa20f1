"""The simulated organisation, tested apart from everything it is a witness to."""
