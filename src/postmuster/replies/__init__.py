"""What people answered: verdicts, answers that count, and cases for people."""
