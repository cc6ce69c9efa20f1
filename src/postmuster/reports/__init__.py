"""What happened to a notice, in figures, on a page, in plots and on the terminal.

`figures` holds the values, `queries` fills them from the database, `record` keeps them in a file; everything else only shows
them: `page` (with `page_notice`, `page_reach`, `page_replies`) on paper and screen, `terminal` and `terminal_demo` in 80
columns, by the words of `words`. `charts` is heavy (Altair, vl-convert) and is imported by the page alone, so that no command
that sends, reads or asks for a status pays for it.
"""
