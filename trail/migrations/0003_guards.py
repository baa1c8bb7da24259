"""Closes two ways round the triggers: SQLite's INSERT OR REPLACE, and payloads changed instead of erased."""

from django.db import migrations

_POSTGRESQL = """
CREATE FUNCTION trail_erase_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL
        AND NEW.salt = '' AND NEW.content = '{}'::jsonb AND NEW.entry_id = OLD.entry_id THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the words of a trail entry are only ever erased';
END $$;
CREATE TRIGGER trail_payload_erase BEFORE UPDATE OR DELETE ON trail_trailpayload
    FOR EACH ROW EXECUTE FUNCTION trail_erase_only();
CREATE TRIGGER trail_payload_no_truncate BEFORE TRUNCATE ON trail_trailpayload
    FOR EACH STATEMENT EXECUTE FUNCTION trail_append_only();
"""
_WORDS = "'the words of a trail entry are only ever erased'"
_SQLITE = {
    # REPLACE removes the row in its way without asking the trigger against DELETE
    "trail_no_replace": "BEFORE INSERT ON trail_trailentry WHEN EXISTS (SELECT 1 FROM trail_trailentry "
    "WHERE id = NEW.id OR (organisation_id = NEW.organisation_id AND sequence = NEW.sequence)) "
    "BEGIN SELECT RAISE(ABORT, 'trail entries are only ever added'); END",
    "trail_payload_no_replace": "BEFORE INSERT ON trail_trailpayload WHEN EXISTS (SELECT 1 FROM "
    f"trail_trailpayload WHERE entry_id = NEW.entry_id) BEGIN SELECT RAISE(ABORT, {_WORDS}); END",
    "trail_payload_no_delete": f"BEFORE DELETE ON trail_trailpayload BEGIN SELECT RAISE(ABORT, {_WORDS}); END",
    "trail_payload_erase": "BEFORE UPDATE ON trail_trailpayload WHEN NOT (OLD.erased_at IS NULL AND "
    "NEW.erased_at IS NOT NULL AND NEW.salt = '' AND NEW.content = '{}' AND NEW.entry_id = OLD.entry_id) "
    f"BEGIN SELECT RAISE(ABORT, {_WORDS}); END",
}


def add(apps, editor):
    if editor.connection.vendor == "postgresql":
        editor.execute(_POSTGRESQL)
    elif editor.connection.vendor == "sqlite":
        for name, rest in _SQLITE.items():
            editor.execute(f"CREATE TRIGGER {name} {rest}")


def remove(apps, editor):
    if editor.connection.vendor == "postgresql":
        editor.execute(
            "DROP TRIGGER trail_payload_erase ON trail_trailpayload; "
            "DROP TRIGGER trail_payload_no_truncate ON trail_trailpayload; DROP FUNCTION trail_erase_only();"
        )
    else:
        for name in _SQLITE:
            editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):
    dependencies = [("trail", "0002_append_only")]
    operations = [migrations.RunPython(add, remove)]
