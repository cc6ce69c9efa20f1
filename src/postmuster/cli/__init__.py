"""The command line: reads arguments, asks who acts, calls a room or a journey, prints. No rules of its own."""
