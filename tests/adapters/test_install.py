"""The mechanism of the adapters: ours in, ours out, whatever happened in between."""

from __future__ import annotations

import sys
import types

import pytest

from eventstream.adapters._install import Installation, Replacement


class Theirs:
    pass


class Ours:
    pass


class Holder:
    def method(self):
        return "theirs"


def our_method(self):
    return "ours"


@pytest.fixture
def module(monkeypatch):
    return imported(monkeypatch, "replaced_module")


def imported(monkeypatch, name):
    """Return a module in which `Codec` is theirs."""
    module = types.ModuleType(name)
    module.Codec = Theirs
    monkeypatch.setitem(sys.modules, name, module)
    return module


INSTALLATION = Installation(
    Replacement("Codec", Theirs, Ours, ("replaced_module", "replaced_module.late")),
    Replacement("method", Holder.method, our_method, (Holder,)),
)


@pytest.fixture(autouse=True)
def _taken_out():
    yield
    INSTALLATION.uninstall()
    assert Holder().method() == "theirs"


def test_ours_is_in_and_out(module):
    INSTALLATION.install()
    assert (module.Codec, Holder().method()) == (Ours, "ours")
    INSTALLATION.uninstall()
    assert (module.Codec, Holder().method()) == (Theirs, "theirs")


def test_install_may_be_called_at_any_time(module):
    INSTALLATION.uninstall()
    assert module.Codec is Theirs
    INSTALLATION.install()
    INSTALLATION.install()
    assert module.Codec is Ours
    INSTALLATION.uninstall()
    INSTALLATION.uninstall()
    assert module.Codec is Theirs


def test_context_takes_ours_out_even_after_an_error(module):
    with pytest.raises(ZeroDivisionError), INSTALLATION.install():
        assert 1 / 0, module.Codec
    assert (module.Codec, Holder().method()) == (Theirs, "theirs")


def test_inner_context_leaves_ours_to_the_outer_one(module):
    with INSTALLATION.install():
        with INSTALLATION.install():
            pass
        assert (module.Codec, Holder().method()) == (Ours, "ours")
    assert module.Codec is Theirs


def test_inner_context_leaves_replacements_to_the_outer_one(module, monkeypatch):
    with INSTALLATION.install():
        late = imported(monkeypatch, "replaced_module.late")
        with INSTALLATION.install():
            pass
        assert (module.Codec, late.Codec, Holder().method()) == (Ours, Ours, "ours")
    assert (module.Codec, late.Codec, Holder().method()) == (Theirs, Theirs, "theirs")


def test_module_imported_in_between_gives_ours_back(module, monkeypatch):
    INSTALLATION.install()
    late = imported(monkeypatch, "replaced_module.late")
    late.Codec = module.Codec
    INSTALLATION.uninstall()
    assert late.Codec is Theirs


def test_late_replacement_is_uninstalled_with_the_others(module):
    class Late:
        def method(self):
            return "theirs"

    late = Replacement("method", Late.method, our_method, (Late,))
    installation = Installation(Replacement("Codec", Theirs, Ours, ("replaced_module",)))
    with installation.install():
        for _ in range(2):
            installation.add(late)
            installation.install()
            assert Late().method() == "ours"
    assert (module.Codec, Late().method()) == (Theirs, "theirs")


def test_modules_that_are_not_imported_are_not_asked_for():
    assert "replaced_module" not in sys.modules
    INSTALLATION.install()
    assert Holder().method() == "ours"
    assert "replaced_module" not in sys.modules


def test_names_that_others_replaced_stay(module):
    module.Codec = wrapped = object()
    INSTALLATION.install()
    assert module.Codec is wrapped
    module.Codec = Theirs
    INSTALLATION.install()
    module.Codec = wrapped
    INSTALLATION.uninstall()
    assert module.Codec is wrapped
    del module.Codec
    INSTALLATION.install()
    assert not hasattr(module, "Codec")
