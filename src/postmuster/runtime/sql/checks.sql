-- name: server
SELECT current_setting('server_version'), current_setting('server_version_num')::int,
       current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit');

-- name: talkative
SELECT name, setting FROM pg_settings
WHERE (name = 'log_statement' AND setting <> 'none')
   OR (name = 'log_min_duration_statement' AND setting <> '-1')
   OR (name = 'log_min_error_statement' AND setting <> 'panic')
   OR (name = 'log_min_messages' AND setting NOT IN ('log', 'fatal', 'panic'))
   OR (name = 'log_parameter_max_length_on_error' AND setting <> '0')
ORDER BY name;

-- name: mighty_roles
SELECT rolname FROM pg_roles
WHERE rolname = ANY(%(names)s) AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)
ORDER BY rolname;

-- name: present_roles
SELECT rolname FROM pg_roles WHERE rolname = ANY(%(names)s);

-- name: open_tables
SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace AND NOT (relrowsecurity AND relforcerowsecurity)
ORDER BY relname;

-- name: table_count
SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace;

-- name: epochs_in_use
SELECT DISTINCT epoch_no FROM vault_key
UNION SELECT DISTINCT epoch_no FROM vault_item WHERE epoch_no IS NOT NULL
ORDER BY 1;
