"""A token names one delivery, for one purpose, until one day, and cannot be altered."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmuster.mail.limits import MAX_LOCAL_PART_OCTETS
from postmuster.mail.token import (
    CHECK_ALPHABET,
    TOKEN_CHARS,
    DeliveryRef,
    Purpose,
    Token,
    TokenFault,
    check_code_holds,
    find_token,
    read_message_id,
    read_token,
    write_check_code,
    write_message_id,
    write_reply_address,
    write_token,
    write_verp_address,
)

KEY = b"a key of thirty-two octets here."
OTHER_KEY = b"another of thirty-two octets her"
KEYS = {7: KEY}
TODAY = 20_500
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
TOKEN = Token(7, DeliveryRef(12, 1, 345), TODAY + 30)

refs = st.builds(
    DeliveryRef,
    notice_no=st.integers(0, 2**32 - 1),
    round_no=st.integers(0, 255),
    seq=st.integers(0, 2**32 - 1),
)
tokens = st.builds(Token, key_id=st.just(7), ref=refs, expires_day=st.integers(TODAY, 2**16 - 1))
purposes = st.sampled_from(Purpose)


@given(purposes, tokens)
def test_a_token_reads_back_as_written(purpose: Purpose, token: Token) -> None:
    text = write_token(purpose, token, KEY)
    assert len(text) == TOKEN_CHARS
    assert read_token(purpose, text, KEYS, TODAY) == token
    assert read_token(purpose, text.upper(), KEYS, TODAY) == token


@given(tokens)
def test_a_token_is_plain_base32(token: Token) -> None:
    text = write_token(Purpose.REPLY, token, KEY)
    octets = base64.b32decode(text.upper() + "=")
    assert len(octets) == 24
    assert base64.b32encode(octets).decode().lower().rstrip("=") == text


@given(tokens, st.integers(0, TOKEN_CHARS - 1), st.sampled_from(ALPHABET))
def test_a_token_altered_in_any_one_character_is_refused(token: Token, place: int, character: str) -> None:
    text = write_token(Purpose.REPLY, token, KEY)
    altered = text[:place] + character + text[place + 1 :]
    if altered != text:
        assert read_token(Purpose.REPLY, altered, KEYS, TODAY) in set(TokenFault)


def test_every_single_alteration_of_one_token_is_refused() -> None:
    text = write_token(Purpose.VERP, TOKEN, KEY)
    for place in range(TOKEN_CHARS):
        for character in ALPHABET.replace(text[place], ""):
            altered = text[:place] + character + text[place + 1 :]
            assert isinstance(read_token(Purpose.VERP, altered, KEYS, TODAY), TokenFault)


def test_the_spare_bits_must_be_zero() -> None:
    text = write_token(Purpose.REPLY, TOKEN, KEY)
    last = ALPHABET.index(text[-1])
    assert last % 8 == 0
    for spare in range(1, 8):
        spelling = text[:-1] + ALPHABET[last + spare]
        assert read_token(Purpose.REPLY, spelling, KEYS, TODAY) is TokenFault.MALFORMED


@given(tokens, purposes, purposes)
def test_a_token_for_one_purpose_is_not_one_for_another(token: Token, written: Purpose, read: Purpose) -> None:
    if written is not read:
        text = write_token(written, token, KEY)
        assert read_token(read, text, KEYS, TODAY) is TokenFault.WRONG_SIGNATURE


def test_a_token_holds_through_its_last_day_and_not_beyond() -> None:
    text = write_token(Purpose.REPLY, TOKEN, KEY)
    assert read_token(Purpose.REPLY, text, KEYS, TOKEN.expires_day) == TOKEN
    assert read_token(Purpose.REPLY, text, KEYS, TOKEN.expires_day + 1) is TokenFault.EXPIRED


def test_an_expired_token_with_a_wrong_signature_is_called_wrong() -> None:
    text = write_token(Purpose.REPLY, TOKEN, OTHER_KEY)
    assert read_token(Purpose.REPLY, text, KEYS, 2**16) is TokenFault.WRONG_SIGNATURE


def test_a_token_under_a_key_we_do_not_hold_is_refused() -> None:
    text = write_token(Purpose.REPLY, TOKEN, KEY)
    assert read_token(Purpose.REPLY, text, {8: KEY}, TODAY) is TokenFault.UNKNOWN_KEY
    assert read_token(Purpose.REPLY, text, {7: OTHER_KEY}, TODAY) is TokenFault.WRONG_SIGNATURE


@given(st.text(max_size=80) | st.text(ALPHABET, min_size=39, max_size=39))
def test_reading_never_raises(text: str) -> None:
    assert isinstance(read_token(Purpose.REPLY, text, KEYS, TODAY), TokenFault)
    assert isinstance(read_message_id(text, [KEY], domain="example.org"), TokenFault)
    assert check_code_holds(text, TOKEN.ref, [KEY]) is False
    found = find_token(text)
    assert found is None or isinstance(found[0], Purpose)


def test_letters_that_only_lower_into_the_alphabet_are_malformed() -> None:
    text = write_token(Purpose.REPLY, TOKEN, KEY)
    kelvin = "\u212a" + text[1:]
    assert len(kelvin.lower()) == TOKEN_CHARS
    assert read_token(Purpose.REPLY, kelvin, KEYS, TODAY) is TokenFault.MALFORMED


@pytest.mark.parametrize(
    "token",
    [
        Token(256, DeliveryRef(1, 1, 1), 1),
        Token(1, DeliveryRef(2**32, 1, 1), 1),
        Token(1, DeliveryRef(1, 256, 1), 1),
        Token(1, DeliveryRef(1, 1, 2**32), 1),
        Token(1, DeliveryRef(1, 1, 1), 2**16),
        Token(1, DeliveryRef(1, 1, -1), 1),
    ],
)
def test_a_number_that_does_not_fit_is_a_defect_of_the_caller(token: Token) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        write_token(Purpose.REPLY, token, KEY)


@given(tokens)
def test_our_addresses_give_their_token_back_and_fit_a_local_part(token: Token) -> None:
    for purpose, address in [
        (Purpose.REPLY, write_reply_address(token, KEY, domain="reply.agency.example")),
        (Purpose.VERP, write_verp_address(token, KEY, domain="bounce.agency.example")),
    ]:
        local_part, _, _ = address.partition("@")
        assert len(local_part) <= MAX_LOCAL_PART_OCTETS
        assert find_token(local_part.upper()) == (purpose, write_token(purpose, token, KEY))


def test_the_separator_of_the_reply_address_can_be_chosen() -> None:
    address = write_reply_address(TOKEN, KEY, domain="agency.example", separator="--")
    local_part = address.partition("@")[0]
    assert local_part.startswith("reply--")
    assert find_token(local_part, separator="--") == (Purpose.REPLY, local_part[7:])
    assert find_token(local_part) is None


def test_the_reverse_path_names_its_notice_in_clear() -> None:
    assert write_verp_address(TOKEN, KEY, domain="bounce.agency.example").startswith("b-n12-")


def test_a_local_part_of_others_is_not_ours() -> None:
    assert find_token("postmaster") is None
    assert find_token("b-n12-short") is None


@given(refs)
def test_a_message_id_is_fixed_per_delivery_and_reads_back(ref: DeliveryRef) -> None:
    text = write_message_id(ref, KEY, domain="agency.example")
    assert text == write_message_id(ref, KEY, domain="agency.example")
    assert text.startswith(f"<n{ref.notice_no}.r{ref.round_no}.s{ref.seq}.")
    assert read_message_id(text, [OTHER_KEY, KEY], domain="agency.example") == ref
    assert read_message_id(text.upper(), [KEY], domain="Agency.example") == ref
    assert read_message_id(text, [OTHER_KEY], domain="agency.example") is TokenFault.WRONG_SIGNATURE
    assert read_message_id(text, [KEY], domain="example.org") is TokenFault.MALFORMED


def test_a_message_id_altered_in_any_one_character_is_refused() -> None:
    text = write_message_id(TOKEN.ref, KEY, domain="agency.example")
    for place in range(len(text)):
        for character in "<>@.nrs0123456789aqz27":
            altered = text[:place] + character + text[place + 1 :]
            if altered != text:
                assert isinstance(read_message_id(altered, [KEY], domain="agency.example"), TokenFault)


def test_a_message_id_with_leading_zeros_is_another_spelling() -> None:
    text = write_message_id(TOKEN.ref, KEY, domain="agency.example").replace("n12", "n012")
    assert read_message_id(text, [KEY], domain="agency.example") is TokenFault.MALFORMED


def test_a_message_id_with_numbers_that_fit_nothing_is_malformed() -> None:
    text = f"<n9999999999.r1.s1.{'a' * 16}@agency.example>"
    assert read_message_id(text, [KEY], domain="agency.example") is TokenFault.MALFORMED


@given(refs)
def test_a_check_code_is_two_groups_of_five_without_look_alikes(ref: DeliveryRef) -> None:
    code = write_check_code(ref, KEY)
    first, second = code.split("-")
    assert len(first) == len(second) == 5
    assert set(first + second) <= set(CHECK_ALPHABET)
    assert not set(CHECK_ALPHABET) & set("0O1IL2Z5S8BUVAEU")


@given(refs, st.integers(0, 9), st.sampled_from(CHECK_ALPHABET))
def test_a_check_code_holds_as_typed_and_fails_when_altered(ref: DeliveryRef, place: int, character: str) -> None:
    code = write_check_code(ref, KEY)
    typed = code.replace("-", "")
    assert check_code_holds(code, ref, [OTHER_KEY, KEY])
    assert check_code_holds(f" {typed[:3].lower()} {typed[3:]}\n", ref, [KEY])
    assert not check_code_holds(code, ref, [OTHER_KEY])
    altered = typed[:place] + character + typed[place + 1 :]
    assert check_code_holds(altered, ref, [KEY]) is (altered == typed)


def test_a_delivery_that_cannot_exist_has_no_check_code() -> None:
    assert not check_code_holds("34679-CDFGH", DeliveryRef(2**40, 1, 1), [KEY])
    with pytest.raises(ValueError, match="does not fit"):
        write_check_code(DeliveryRef(2**40, 1, 1), KEY)
