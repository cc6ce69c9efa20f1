"""The append-only record of every act: salted ids, digests and counts; never personal data."""
