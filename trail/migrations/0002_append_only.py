"""The database itself refuses to change or remove entries."""

from django.db import migrations

_POSTGRESQL = """
CREATE FUNCTION trail_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'trail entries are only ever added'; END $$;
CREATE TRIGGER trail_no_change BEFORE UPDATE OR DELETE ON trail_trailentry
    FOR EACH ROW EXECUTE FUNCTION trail_append_only();
CREATE TRIGGER trail_no_truncate BEFORE TRUNCATE ON trail_trailentry
    FOR EACH STATEMENT EXECUTE FUNCTION trail_append_only();
"""
_SQLITE = tuple(
    f"CREATE TRIGGER trail_no_{verb.lower()} BEFORE {verb} ON trail_trailentry "
    "BEGIN SELECT RAISE(ABORT, 'trail entries are only ever added'); END"
    for verb in ("UPDATE", "DELETE")
)


def add(apps, editor):
    if editor.connection.vendor == "postgresql":
        editor.execute(_POSTGRESQL)
    elif editor.connection.vendor == "sqlite":
        for statement in _SQLITE:
            editor.execute(statement)


def remove(apps, editor):
    if editor.connection.vendor == "postgresql":
        editor.execute(
            "DROP TRIGGER trail_no_change ON trail_trailentry; "
            "DROP TRIGGER trail_no_truncate ON trail_trailentry; DROP FUNCTION trail_append_only();"
        )
    else:
        editor.execute("DROP TRIGGER trail_no_update")
        editor.execute("DROP TRIGGER trail_no_delete")


class Migration(migrations.Migration):
    dependencies = [("trail", "0001_initial")]
    operations = [migrations.RunPython(add, remove)]
