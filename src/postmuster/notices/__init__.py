"""Notices: what is said, to whom, what is asked, and the words that go with it whether the drafter likes it or not."""
