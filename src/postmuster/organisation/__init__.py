"""The simulated organisation: people, their mail systems and how they answer, as an independent witness."""
