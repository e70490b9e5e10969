import gc

import pytest

from nas.garbage import no_collection


def test_collection_goes_on_after_it_also_after_an_error() -> None:
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(KeyError), no_collection():
        raise KeyError
    assert gc.isenabled()


def test_what_stays_is_not_looked_at_again() -> None:
    before = gc.get_freeze_count()
    try:
        with no_collection(stays=True):
            kept = [[number] for number in range(1000)]
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()
