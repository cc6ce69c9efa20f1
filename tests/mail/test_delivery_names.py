"""The names of a round's deliveries are those that the tokens' own writers write."""

from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.delivery_names import RoundNames
from postmuster.mail.token import (
    DeliveryRef,
    Token,
    write_check_code,
    write_message_id,
    write_reply_address,
    write_verp_address,
)


@given(
    key_id=st.integers(0, 255),
    notice_no=st.integers(0, 2**32 - 1),
    round_no=st.integers(0, 255),
    seq=st.integers(0, 2**32 - 1),
    day=st.integers(0, 65_535),
    key=st.binary(min_size=1, max_size=80),
    first=st.integers(0, 2**32 - 1),
)
def test_they_are_those_of_the_tokens_own_writers(
    key_id: int, notice_no: int, round_no: int, seq: int, day: int, key: bytes, first: int
) -> None:
    names = RoundNames(
        Token(key_id, DeliveryRef(notice_no, round_no, first), day),
        key,
        domain="agency.example",
        reply_domain="reply.agency.example",
        reply_name="answers",
        separator="=",
        bounce_domain="bounce.agency.example",
    )
    ref = DeliveryRef(notice_no, round_no, seq)
    token = Token(key_id, ref, day)
    assert names.write(seq) == (
        write_reply_address(token, key, domain="reply.agency.example", name="answers", separator="="),
        write_verp_address(token, key, domain="bounce.agency.example"),
        write_message_id(ref, key, domain="agency.example"),
        write_check_code(ref, key),
    )
