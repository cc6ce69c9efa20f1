-- What belongs to no single notice, and the books compared with what was counted another way.

-- name: unmatched
-- Mail that could be tied to no notice, by kind.
SELECT kind, count(*) FROM replies_reply WHERE notice_no IS NULL GROUP BY kind

-- name: unread
-- Mail taken in and not yet read. Index: inbound_mail_waiting.
SELECT count(*) FROM inbound_mail WHERE state = 'waiting'

-- name: roster_people
-- People of a roster version, counted from the roster alone.
SELECT count(*) FROM roster_entry WHERE since <= %(version)s AND (until IS NULL OR until > %(version)s)

-- name: rows_with_outcome
-- Deliveries that have a row, counted from the rows and not from the counters. Index: primary key of delivery.
SELECT count(*) FROM outbound_delivery WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s

-- name: people_once
-- How many different people the audience has. Index: outbound_audience_once.
SELECT count(DISTINCT person_no) FROM outbound_audience WHERE notice_no = %(notice_no)s AND round_no = %(round_no)s
