"""What the package of the page exports."""

from eventstream.transcribe.emulator import page


def test_exports_are_there():
    assert page.Page.__name__ == "Page"
    assert set(page.__all__) == {"ASKED_BY_PAGE", "Page"}
