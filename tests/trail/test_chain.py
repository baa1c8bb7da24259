"""The trail: entries are only ever added, and every kind of tampering is found."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from tests.conftest import People, make_people
from trail.models import TrailEntry, TrailHead, TrailPayload
from trail.services import entry_hash, erase_payload, record, verify

TABLES = ("trail_trailentry", "trail_trailpayload")


def _chain(length: int = 5) -> uuid.UUID:
    organisation = uuid.uuid4()
    for number in range(length):
        record(
            organisation,
            "thing.done",
            "thing",
            uuid.uuid4(),
            actor_id=uuid.uuid4(),
            facts={"n": number, "digest": "ab" * 32},
            payload={"words": f"because {number}", "ünïcode": "…"},
        )
    return organisation


@contextmanager
def triggers_off() -> Iterator[None]:
    """Somebody with the database's password and no conscience. Rolled back with the test."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in TABLES:
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'trail%'")
            for (name,) in cursor.fetchall():
                cursor.execute(f"DROP TRIGGER {name}")
    yield


def _entry(organisation: uuid.UUID, sequence: int) -> TrailEntry:
    return TrailEntry.objects.get(organisation_id=organisation, sequence=sequence)


def test_a_chain_that_nobody_touched_holds(db: None) -> None:
    organisation = _chain()
    assert verify(organisation) is None
    assert [e.sequence for e in TrailEntry.objects.filter(organisation_id=organisation)] == [1, 2, 3, 4, 5]
    assert verify(uuid.uuid4()) is None, "a chain that has not begun"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trail_trailentry SET action = 'x'",
        "DELETE FROM trail_trailentry",
        "TRUNCATE trail_trailentry CASCADE",
        "INSERT OR REPLACE INTO trail_trailentry SELECT * FROM trail_trailentry",
        "DELETE FROM trail_trailpayload",
        'UPDATE trail_trailpayload SET content = \'{"words": "other"}\'',
        "TRUNCATE trail_trailpayload",
        "INSERT OR REPLACE INTO trail_trailpayload SELECT * FROM trail_trailpayload",
    ],
)
def test_the_database_itself_refuses(db: None, statement: str) -> None:
    only = {"TRUNCATE": "postgresql", "INSERT OR": "sqlite"}
    for words, vendor in only.items():
        if statement.startswith(words) and connection.vendor != vendor:
            pytest.skip(f"{vendor} alone knows this statement")
    organisation = _chain()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing is pending, as in a fresh transaction
    with pytest.raises(DatabaseError, match="only ever"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert verify(organisation) is None


def test_altered_content_is_found(db: None) -> None:
    organisation = _chain()
    with triggers_off():
        TrailEntry.objects.filter(pk=_entry(organisation, 3).pk).update(facts={"n": 99})
    found = verify(organisation)
    assert found is not None
    assert (found.sequence, found.why) == (3, "its content was altered")


def test_altered_content_with_its_hash_made_anew_is_found_at_the_next(db: None) -> None:
    organisation = _chain()
    with triggers_off():
        entry = _entry(organisation, 3)
        entry.action = "other.done"
        entry.hash = entry_hash(entry)
        entry.save()
    found = verify(organisation)
    assert found is not None
    assert (found.sequence, found.why) == (4, "it does not follow from the entry before it")


def test_another_order_is_found(db: None) -> None:
    organisation = _chain()
    with triggers_off():
        second, third = _entry(organisation, 2), _entry(organisation, 3)
        TrailEntry.objects.filter(pk=second.pk).update(sequence=999)
        TrailEntry.objects.filter(pk=third.pk).update(sequence=2)
        TrailEntry.objects.filter(pk=second.pk).update(sequence=3)
    found = verify(organisation)
    assert found is not None
    assert found.sequence == 2


@pytest.mark.parametrize("sequence", [1, 3])
def test_an_entry_removed_is_found(db: None, sequence: int) -> None:
    organisation = _chain()
    with triggers_off():
        entry = _entry(organisation, sequence)
        TrailPayload.objects.filter(entry=entry).delete()
        TrailEntry.objects.filter(pk=entry.pk).delete()
    found = verify(organisation)
    assert found is not None
    assert (found.sequence, found.why) == (sequence, "it is missing")


def test_entries_removed_at_the_end_are_found(db: None) -> None:
    organisation = _chain()
    with triggers_off():
        entry = _entry(organisation, 5)
        TrailPayload.objects.filter(entry=entry).delete()
        TrailEntry.objects.filter(pk=entry.pk).delete()
    found = verify(organisation)
    assert found is not None
    assert found.why == "the chain ends elsewhere than its head says"


def test_a_head_removed_or_turned_back_is_found(db: None) -> None:
    organisation = _chain()
    TrailHead.objects.filter(organisation_id=organisation).update(
        sequence=4, hash=_entry(organisation, 4).hash
    )
    assert verify(organisation) is not None
    TrailHead.objects.filter(organisation_id=organisation).delete()
    assert verify(organisation) is not None


def test_altered_removed_and_secretly_emptied_payloads_are_found(db: None) -> None:
    one, two, three = _chain(), _chain(), _chain()
    with triggers_off():
        TrailPayload.objects.filter(entry=_entry(one, 2)).update(content={"words": "never said"})
        TrailPayload.objects.filter(entry=_entry(two, 2)).delete()
        TrailPayload.objects.filter(entry=_entry(three, 2)).update(
            content={}, salt="", erased_at=timezone.now()
        )
    whys = [found.why for key in (one, two, three) if (found := verify(key))]
    assert whys == [
        "its payload was altered",
        "its payload was removed instead of erased",
        "its payload was erased without a record of it",
    ]


def test_words_can_be_erased_and_the_chain_holds(db: None) -> None:
    organisation = _chain()
    entry = _entry(organisation, 2)
    erase_payload(entry, actor_id=uuid.uuid4())
    erase_payload(entry)
    assert TrailPayload.objects.get(entry=entry).content == {}
    assert verify(organisation) is None
    last = TrailEntry.objects.filter(organisation_id=organisation).latest("sequence")
    assert (last.sequence, last.action, last.target_id) == (6, "trail.erased", entry.pk), "recorded once"


def test_what_was_erased_cannot_be_guessed_from_its_digest(db: None) -> None:
    organisation = uuid.uuid4()
    same = [
        record(organisation, "a.b", "c", uuid.uuid4(), payload={"name": "Ada"}).payload_digest
        for _ in range(2)
    ]
    assert same[0] != same[1], "each payload has a salt of its own"


def test_writers_at_once_keep_one_chain(committed: None) -> None:
    organisation = uuid.uuid4()

    def write(_: int) -> None:
        try:
            for _ in range(10):
                with transaction.atomic():
                    record(organisation, "a.b", "c", uuid.uuid4(), payload={"w": "x"})
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert verify(organisation) is None
    assert TrailHead.objects.get(organisation_id=organisation).sequence == 60


def test_a_check_while_others_write_raises_no_false_alarm(committed: None) -> None:
    organisation = uuid.uuid4()
    record(organisation, "a.b", "c", uuid.uuid4())

    def write() -> None:
        try:
            for _ in range(40):
                record(organisation, "a.b", "c", uuid.uuid4())
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            assert verify(organisation) is None
    assert verify(organisation) is None


def test_a_decision_that_is_rolled_back_leaves_no_entry(db: None) -> None:
    organisation = _chain(1)

    with transaction.atomic():
        record(organisation, "a.b", "c", uuid.uuid4())
        transaction.set_rollback(True)
    assert verify(organisation) is None
    assert TrailHead.objects.get(organisation_id=organisation).sequence == 1


def test_the_command_says_in_a_sentence_where_a_chain_is_broken(people: People) -> None:
    out, err = io.StringIO(), io.StringIO()
    call_command("verify_trail", stdout=out)
    assert "chains hold" in out.getvalue()
    call_command("verify_trail", organisation=people.organisation.slug, stdout=out)
    with pytest.raises(CommandError, match="no organisation"):
        call_command("verify_trail", organisation="nobody")
    with triggers_off():
        TrailEntry.objects.filter(pk=_entry(people.organisation.pk, 2).pk).update(action="x.y")
    with pytest.raises(SystemExit) as ended:
        call_command("verify_trail", organisation=people.organisation.slug, stderr=err)
    assert ended.value.code == 1
    assert err.getvalue().strip() == (
        f"{people.organisation.slug}: the chain does not hold at entry 2: its content was altered."
    )
    call_command("verify_trail", organisation=people.elsewhere.slug, stdout=out)


def test_thousands_of_entries_are_written_and_checked_in_time(db: None) -> None:
    """Wide bounds: they are there to find quadratic work, not to measure (the figures are printed)."""
    organisation = uuid.uuid4()
    began = time.perf_counter()
    for number in range(1_500):
        record(organisation, "a.b", "c", uuid.uuid4(), facts={"n": number})
    wrote = time.perf_counter() - began
    began = time.perf_counter()
    assert verify(organisation) is None
    read = time.perf_counter() - began
    print(f"record: {wrote / 1.5:.2f} ms an entry; verify of 1,500: {read:.2f} s")
    assert wrote < 30
    assert read < 3


def test_standing_organisations_have_whole_chains(committed: None) -> None:
    assert verify(make_people().organisation.pk) is None
