from trainer import FolderCheckpoints


def test_bytes_come_back_by_key(tmp_path):
    store = FolderCheckpoints(tmp_path / "deep" / "folder")
    store.save("a", b"one")
    store.save("b", b"two")
    store.save("a", b"three")
    assert (store.load("a"), store.load("b")) == (b"three", b"two")


def test_an_unknown_key_is_none(tmp_path):
    assert FolderCheckpoints(tmp_path).load("a") is None
    assert FolderCheckpoints(tmp_path / "missing").load("a") is None


def test_a_deleted_key_is_gone_and_may_be_deleted_again(tmp_path):
    store = FolderCheckpoints(tmp_path)
    store.save("a", b"one")
    store.delete("a")
    store.delete("a")
    assert store.load("a") is None


def test_a_save_leaves_one_file(tmp_path):
    FolderCheckpoints(tmp_path).save("a", b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]
