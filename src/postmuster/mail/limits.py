"""Limits of addresses, fields and lines, each with its unit and where it comes from.

Limits with an RFC behind them bind everybody. Those marked "ours" bound the work a stranger can make us do, or keep
what we write readable; they may be changed without breaking mail.
"""

from typing import Final

# Addresses.
MAX_LOCAL_PART_OCTETS: Final = 64  # RFC 5321 §4.5.3.1.1
MAX_DOMAIN_OCTETS: Final = 255  # RFC 5321 §4.5.3.1.2
MAX_ADDR_SPEC_OCTETS: Final = 254  # RFC 5321 §4.5.3.1.3: a path has 256, of which < and > are two
MAX_LABEL_OCTETS: Final = 63  # RFC 1035 §2.3.4

# Lines and fields.
MAX_LINE_OCTETS: Final = 998  # RFC 5322 §2.1.1, without CRLF
SOFT_LINE_OCTETS: Final = 78  # RFC 5322 §2.1.1, without CRLF
MAX_QUOTED_PRINTABLE_LINE_OCTETS: Final = 76  # RFC 2045 §6.7 (5), with a soft break's "="
MAX_ENCODED_WORD_OCTETS: Final = 75  # RFC 2047 §2
ENCODED_WORDS_LINE_OCTETS: Final = 76  # RFC 2047 §2: a line that holds an encoded word, without CRLF

# What a stranger can make us do.
MAX_FIELD_CHARS: Final = 65_536  # ours: an address field longer than this is read up to here
MAX_MAILBOXES: Final = 1_000  # ours: mailboxes read from one field
MAX_DISPLAY_NAME_CHARS: Final = 256  # ours: longer names are cut

# What we write.
MAX_VALUE_CHARS: Final = 256  # ours: a value put into a placeholder is cut here
MAX_SUBJECT_CHARS: Final = 400  # ours: a subject as the officer wrote it
MAX_FILLED_SUBJECT_CHARS: Final = 998  # ours: a subject with its values; longer ones are cut
MAX_UNSTRUCTURED_CHARS: Final = 20_000  # ours: any other field; References of a long thread has 100 identifiers
MAX_MESSAGE_ID_OCTETS: Final = 250  # ours: an identifier of ours has at most 8 + 50 + 253, none we make comes near
MAX_PART_CHARS: Final = 1_000_000  # ours: the text or the HTML of one revision
MAX_PLACEHOLDERS: Final = 1_000  # ours: placeholders in one part
