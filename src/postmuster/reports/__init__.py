"""What happened to a notice, in figures, on a page, in plots and on the terminal.

`figures` holds the values; everything else only shows them. `charts` is heavy (Altair, vl-convert) and is imported by
`page` alone, so that no command that sends, reads or asks for a status pays for it.
"""
