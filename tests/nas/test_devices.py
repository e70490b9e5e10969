import os
from pathlib import Path

import pytest

from nas.devices import Gpu, describe_plan, list_gpus, num_cores, plan_slots
from nas.errors import ConfigError

TWO = [
    Gpu(index="0", name="NVIDIA H200", visible_as="GPU-aaaa"),
    Gpu(index="1", name="NVIDIA L4", visible_as="GPU-bbbb"),
]


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs and a torch that can use them."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho '0, GPU-aaaa-1, NVIDIA H200'\necho '1, GPU-bbbb-2, NVIDIA L4'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("nas.devices.version", lambda name: "2.13.0")
    return program


class TestListGpus:
    def test_all_are_listed_by_the_driver(self, driver: Path) -> None:
        assert [(gpu.index, gpu.name, gpu.visible_as) for gpu in list_gpus()] == [
            ("0", "NVIDIA H200", "GPU-aaaa-1"),
            ("1", "NVIDIA L4", "GPU-bbbb-2"),
        ]

    @pytest.mark.parametrize(
        ("visible", "indices"),
        [
            ("0,1", ["0", "1"]),
            ("1,0", ["1", "0"]),
            ("1", ["1"]),
            ("GPU-bbbb-2", ["1"]),
            ("GPU-bb", ["1"]),
            ("GPU-", []),
            ("", []),
            ("-1", []),
            ("1,7,0", ["1"]),
            ("MIG-1234567890", ["MIG-12345678"]),
        ],
    )
    def test_variable_hides_and_orders_them(
        self, driver: Path, monkeypatch: pytest.MonkeyPatch, visible: str, indices: list[str]
    ) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert [gpu.index for gpu in list_gpus()] == indices

    def test_none_are_used_by_a_torch_for_the_cpu(
        self, driver: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("nas.devices.version", lambda name: "2.13.0+cpu")
        assert list_gpus() == []

    @pytest.mark.parametrize("script", ["exit 9", "echo No devices were found"])
    def test_none_are_there_where_the_driver_fails(self, driver: Path, script: str) -> None:
        driver.write_text(f"#!/bin/sh\n{script}\n")
        assert list_gpus() == []

    def test_none_are_there_without_a_driver(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert list_gpus() == []


class TestPlan:
    def test_one_worker_per_core_without_gpus(self) -> None:
        slots = plan_slots("auto", "auto", [])
        assert [slot.index for slot in slots] == list(range(1, num_cores() + 1))
        assert {(slot.device, slot.num_threads) for slot in slots} == {("cpu", 1)}

    def test_one_worker_per_gpu_sees_that_gpu_only(self) -> None:
        slots = plan_slots("auto", "auto", TWO)
        assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots] == [
            "GPU-aaaa",
            "GPU-bbbb",
        ]
        assert {slot.device for slot in slots} == {"cuda:0"}

    def test_more_workers_than_gpus_share_them_in_turn(self) -> None:
        labels = [slot.label for slot in plan_slots(3, 2, TWO)]
        assert labels == ["gpu 0 (NVIDIA H200)", "gpu 1 (NVIDIA L4)", "gpu 0 (NVIDIA H200)"]

    def test_fewer_devices_than_there_are(self) -> None:
        assert [slot.label for slot in plan_slots("auto", 1, TWO)] == ["gpu 0 (NVIDIA H200)"]

    def test_cpu_in_spite_of_gpus(self) -> None:
        assert [slot.device for slot in plan_slots(2, "cpu", TWO)] == ["cpu", "cpu"]

    @pytest.mark.parametrize("devices", [3, 0, -1])
    def test_more_gpus_than_there_are(self, devices: int) -> None:
        match = f"'auto' or 'cpu', or from 1 to 2, the GPUs seen, got devices={devices}. Use"
        with pytest.raises(ConfigError, match=match):
            plan_slots("auto", devices, TWO)

    def test_gpus_where_there_are_none(self) -> None:
        match = "must be 'auto' or 'cpu' where no GPU is seen, got devices=3. Use --devices cpu"
        with pytest.raises(ConfigError, match=match):
            plan_slots("auto", 3, [])


class TestDescribePlan:
    def test_devices_are_counted(self) -> None:
        assert describe_plan(plan_slots(3, "auto", TWO)) == (
            "2 workers on gpu 0 (NVIDIA H200); 1 worker on gpu 1 (NVIDIA L4)"
        )

    def test_more_workers_than_cores_are_noted(self) -> None:
        cores = num_cores()
        assert "expect no speed-up" in describe_plan(plan_slots(cores + 1, "cpu", []))
        assert describe_plan(plan_slots(1, "cpu", [])) == (
            f"1 worker on cpu ({cores} cores, one thread each)"
        )


class TestCores:
    @pytest.mark.parametrize(
        ("quota", "cores"),
        [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 8), ("9900000 100000", 8)],
    )
    def test_quota_of_a_container_counts(
        self, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
    ) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
        monkeypatch.setattr(Path, "read_text", lambda path, encoding: quota + "\n")
        assert num_cores() == cores

    def test_system_without_affinity_counts_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(path: Path, encoding: str) -> str:
            raise FileNotFoundError(path)

        monkeypatch.delattr(os, "sched_getaffinity")
        monkeypatch.setattr(os, "cpu_count", lambda: 6)
        monkeypatch.setattr(Path, "read_text", missing)
        assert num_cores() == 6
