"""Rights and row-level security of the job queue's tables: workers use them, the intake door does not."""

from django.db import migrations

from postmuster.base.tables import APPLICATION_ROLE

_GUARD = f"""
DO $$
DECLARE one record;
BEGIN
  FOR one IN SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
             AND relname LIKE 'procrastinate\\_%' LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', one.relname);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', one.relname);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO {APPLICATION_ROLE}', one.relname);
    EXECUTE format('CREATE POLICY application_all ON %I TO {APPLICATION_ROLE} USING (true) WITH CHECK (true)', one.relname);
  END LOOP;
  FOR one IN SELECT relname FROM pg_class WHERE relkind = 'S' AND relnamespace = current_schema()::regnamespace
             AND relname LIKE 'procrastinate\\_%' LOOP
    EXECUTE format('GRANT USAGE ON SEQUENCE %I TO {APPLICATION_ROLE}', one.relname);
  END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = (("procrastinate", "0041_post_retry_failed_job"),)

    operations = (migrations.RunSQL(_GUARD, migrations.RunSQL.noop),)
