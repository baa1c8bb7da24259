"""Files sent in chunks by a real browser: with progress, over a broken connection, and after a reload."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from accounts.models import User
from models_registry.models import Upload
from models_registry.services import create_dataset, create_model, create_system
from tests import factory
from tests.browser import browser, chromium, served, sign_in
from tests.conftest import make_people
from tests.models_registry.stored import folder, loans_csv

pytestmark = [
    pytest.mark.usefixtures("committed"),
    pytest.mark.skipif(chromium() is None, reason="no Chromium is installed"),
]


class Opened(NamedTuple):
    address: str
    chrome: Any

    def page(self, user: User, **more: Any) -> Any:
        context = self.chrome.new_context(**more)
        sign_in(context, self.address, user)
        return context.new_page()


@pytest.fixture(scope="module")
def opened() -> Iterator[Opened]:
    with served() as address, browser() as chrome:
        yield Opened(address, chrome)


def test_a_folder_is_sent_in_chunks_and_its_page_follows_until_it_is_ready(
    opened: Opened, tmp_path: Path
) -> None:
    people = make_people()
    model = create_model(create_system(people.organisation, "S", by=people.engineer), "m", by=people.engineer)
    net = tmp_path / "net"
    net.mkdir()
    for name, content in folder().items():
        (net / name).write_bytes(content)
    (net / ".DS_Store").write_bytes(b"x")
    page = opened.page(people.engineer)
    page.goto(f"{opened.address}/o/{people.organisation.slug}/models/{model.pk}/versions/new/")
    page.set_input_files("#folder", net)
    page.get_by_role("button", name="Add the version").click()
    page.wait_for_url("**/model-versions/**")
    version = model.versions.get()
    assert sorted(m.path for m in version.members.all()) == sorted(folder())
    page.get_by_text("Waiting for a worker.").wait_for()
    factory.run_jobs()
    page.get_by_role("heading", name="What it reads and says").wait_for()


def test_a_connection_that_breaks_is_gone_on_from(opened: Opened, tmp_path: Path) -> None:
    people = make_people()
    dataset = create_dataset(
        create_system(people.organisation, "S", by=people.engineer), "d", by=people.engineer
    )
    content = loans_csv(200_000)
    file = tmp_path / "loans.csv"
    file.write_bytes(content)
    page = opened.page(people.engineer)
    chunks: list[str] = []

    def breaks(route: Any) -> None:
        if route.request.method != "PATCH":
            return route.fallback()
        chunks.append(route.request.url.partition("offset=")[2])
        if len(chunks) == 2:
            return route.abort("connectionreset")
        return route.fallback()

    page.route("**/uploads/**", breaks)
    page.goto(f"{opened.address}/o/{people.organisation.slug}/datasets/{dataset.pk}/versions/new/")
    page.set_input_files("#file_test", file)
    page.locator("#columns option[value=repaid]").wait_for(state="attached")
    page.locator("#id_label_column").fill("repaid")
    page.get_by_role("button", name="Add the version").click()
    page.wait_for_url("**/dataset-versions/**")
    stored = dataset.versions.get().files.get()
    assert (stored.name, stored.file.size) == ("loans.csv", len(content))
    assert chunks[:3] == ["0", "4194304", "4194304"]


def test_an_upload_that_was_stopped_goes_on_after_a_reload(opened: Opened, tmp_path: Path) -> None:
    people = make_people()
    dataset = create_dataset(
        create_system(people.organisation, "S", by=people.engineer), "d", by=people.engineer
    )
    file = tmp_path / "loans.csv"
    file.write_bytes(loans_csv(200_000))
    page = opened.page(people.engineer)
    hold = True

    def holds(route: Any) -> None:
        if hold and route.request.method == "PATCH" and not route.request.url.endswith("offset=0"):
            return None  # neither answered nor refused: the person waits, and stops it
        return route.fallback()

    page.route("**/uploads/**", holds)
    url = f"{opened.address}/o/{people.organisation.slug}/datasets/{dataset.pk}/versions/new/"
    page.goto(url)
    page.set_input_files("#file_test", file)
    page.get_by_role("button", name="Add the version").click()
    page.get_by_text("file 1 of 1").wait_for()
    with page.expect_request(lambda request: "offset=4194304" in request.url):
        pass
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("What has arrived stays").wait_for()
    hold = False
    page.goto(url)
    page.set_input_files("#file_test", file)
    page.get_by_role("button", name="Add the version").click()
    page.wait_for_url("**/dataset-versions/**")
    assert Upload.objects.of(people.organisation).count() == 1
    assert dataset.versions.get().files.get().file.size == file.stat().st_size


def test_without_scripts_the_form_sends_its_files_itself(opened: Opened, tmp_path: Path) -> None:
    people = make_people()
    dataset = create_dataset(
        create_system(people.organisation, "S", by=people.engineer), "d", by=people.engineer
    )
    file = tmp_path / "loans.csv"
    file.write_bytes(loans_csv(50))
    page = opened.page(people.engineer, java_script_enabled=False)
    page.goto(f"{opened.address}/o/{people.organisation.slug}/datasets/{dataset.pk}/versions/new/")
    page.set_input_files("#file_test", file)
    page.get_by_role("button", name="Add the version").click()
    page.wait_for_url("**/dataset-versions/**")
    assert dataset.versions.get().files.get().name == "loans.csv"
