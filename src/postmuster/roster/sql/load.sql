-- Loading a feed. Everything happens in one transaction, in temporary tables that only it sees.
-- A line of roster_feed without address_key is a rejected one whose person_id could be read.

-- name: lock_load
SELECT pg_try_advisory_xact_lock(%(lock)s)

-- name: plan_for_whole_tables
-- Statistics of tables that have just grown a thousandfold mislead the planner into nested loops over millions of rows
-- (2026-11: 97 s and counting, where a hash join takes one). The transaction's end takes both back.
SET LOCAL work_mem = '64MB';
SET LOCAL enable_nestloop = off

-- name: make_tables
CREATE TEMPORARY TABLE roster_feed (
    line_no integer NOT NULL,
    person_id text NOT NULL,
    local_part text,
    domain text,
    address_key text,
    name text,
    component text,
    employment_class text,
    manager_id text,
    time_zone text,
    language text,
    status text,
    leave_until date
) ON COMMIT DROP;
CREATE TEMPORARY TABLE roster_duplicate (line_no integer NOT NULL, first_no integer NOT NULL, what text NOT NULL)
    ON COMMIT DROP;
CREATE TEMPORARY TABLE roster_kept (entry_no bigint NOT NULL, component_no bigint NOT NULL, status text NOT NULL)
    ON COMMIT DROP;
CREATE TEMPORARY TABLE roster_closing (
    entry_no bigint NOT NULL, change text NOT NULL, component_before text NOT NULL, component text
) ON COMMIT DROP

-- name: drop_tables
DROP TABLE roster_feed, roster_duplicate, roster_kept, roster_closing

-- name: copy_feed
COPY roster_feed FROM STDIN

-- name: analyze_feed
ANALYZE roster_feed

-- name: find_duplicate_people
INSERT INTO roster_duplicate
SELECT f.line_no, one.line_no, 'person_id'
FROM (
    SELECT person_id, min(line_no) AS line_no FROM roster_feed WHERE address_key IS NOT NULL
    GROUP BY person_id HAVING count(*) > 1
) one
JOIN roster_feed f ON f.person_id = one.person_id AND f.line_no > one.line_no AND f.address_key IS NOT NULL

-- name: find_duplicate_addresses
INSERT INTO roster_duplicate
SELECT f.line_no, one.line_no, 'address'
FROM (
    SELECT address_key, min(line_no) AS line_no FROM roster_feed WHERE address_key IS NOT NULL
    GROUP BY address_key HAVING count(*) > 1
) one
JOIN roster_feed f ON f.address_key = one.address_key AND f.line_no > one.line_no

-- name: reject_duplicates
-- A person whose only good line is rejected here is still known to have been in the feed.
UPDATE roster_feed f SET address_key = NULL FROM roster_duplicate d WHERE d.line_no = f.line_no AND d.what = %(what)s

-- name: duplicates
SELECT line_no, what, first_no FROM roster_duplicate ORDER BY line_no LIMIT %(limit)s

-- name: count_good
SELECT count(*) FROM roster_feed WHERE address_key IS NOT NULL

-- name: find_kept
-- People whose lines were all rejected keep their entry, unless somebody else has its address now.
INSERT INTO roster_kept
SELECT e.id, e.component_no, e.status
FROM (SELECT DISTINCT person_id FROM roster_feed WHERE address_key IS NULL) r
JOIN roster_person p ON p.person_id = r.person_id
JOIN roster_entry e ON e.person_no = p.id AND e.until IS NULL
WHERE NOT EXISTS (SELECT FROM roster_feed f WHERE f.person_id = r.person_id AND f.address_key IS NOT NULL)
  AND NOT EXISTS (SELECT FROM roster_feed f WHERE f.address_key = e.address_key)

-- name: count_kept
SELECT count(*) FROM roster_kept

-- name: counts_before
SELECT c.path, n.people, n.present
FROM (
    SELECT component_no, count(*) AS people, count(*) FILTER (WHERE status <> 'separated') AS present
    FROM roster_entry WHERE until IS NULL GROUP BY component_no
) n
JOIN roster_component c ON c.id = n.component_no

-- name: counts_after
SELECT component, count(*), count(*) FILTER (WHERE status <> 'separated')
FROM roster_feed WHERE address_key IS NOT NULL
GROUP BY component LIMIT %(limit)s

-- name: counts_kept
SELECT c.path, count(*), count(*) FILTER (WHERE k.status <> 'separated')
FROM roster_kept k JOIN roster_component c ON c.id = k.component_no
GROUP BY c.path

-- name: add_components
INSERT INTO roster_component (path)
SELECT DISTINCT f.component FROM roster_feed f
WHERE f.address_key IS NOT NULL AND NOT EXISTS (SELECT FROM roster_component c WHERE c.path = f.component)
ORDER BY f.component

-- name: add_people
-- In the order of the file, as the anti-join keeps it, so that the index on their numbers grows at its end.
INSERT INTO roster_person (person_id)
SELECT f.person_id FROM roster_feed f
WHERE f.address_key IS NOT NULL AND NOT EXISTS (SELECT FROM roster_person p WHERE p.person_id = f.person_id)

-- name: find_closing
INSERT INTO roster_closing
SELECT e.id, CASE WHEN f.person_id IS NULL THEN 'left' WHEN f.component <> c.path THEN 'moved' ELSE 'changed' END,
       c.path, f.component
FROM roster_entry e
JOIN roster_person p ON p.id = e.person_no
JOIN roster_component c ON c.id = e.component_no
LEFT JOIN roster_feed f ON f.person_id = p.person_id AND f.address_key IS NOT NULL
WHERE e.until IS NULL
  AND NOT EXISTS (SELECT FROM roster_kept k WHERE k.entry_no = e.id)
  AND (
      f.person_id IS NULL OR f.component <> c.path OR f.address_key <> e.address_key OR f.local_part <> e.local_part
      OR f.name <> e.name OR f.employment_class <> e.employment_class OR f.manager_id <> e.manager_id
      OR f.time_zone <> e.time_zone OR f.language <> e.language OR f.status <> e.status
      OR f.leave_until IS DISTINCT FROM e.leave_until
  )

-- name: close_entries
UPDATE roster_entry e SET until = %(version)s FROM roster_closing x WHERE x.entry_no = e.id

-- name: open_entries
INSERT INTO roster_entry (
    person_no, since, until, local_part, domain, address_key, name, component_no, employment_class, manager_id,
    time_zone, language, status, leave_until
)
SELECT p.id, %(version)s, NULL, f.local_part, f.domain, f.address_key, f.name, c.id, f.employment_class, f.manager_id,
       f.time_zone, f.language, f.status, f.leave_until
FROM roster_feed f
JOIN roster_person p ON p.person_id = f.person_id
JOIN roster_component c ON c.path = f.component
WHERE f.address_key IS NOT NULL
  AND NOT EXISTS (SELECT FROM roster_entry e WHERE e.person_no = p.id AND e.until IS NULL)

-- name: changes
SELECT change, component_before, component, count(*) FROM roster_closing GROUP BY change, component_before, component
