"""The LMTP door and what came through it: sealed mail, waiting until its meaning is recorded."""
