"""Mail at the level of the RFCs: bytes and values in, values and bytes out.

A pure room. It knows no framework, database, socket, clock, randomness or log; what it needs of those comes as an
argument. Its readers never raise on what strangers wrote: trouble is a fault or a defect on the value they return.
"""
