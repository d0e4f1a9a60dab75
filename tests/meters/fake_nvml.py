"""NVML as a plain object: the few functions that the meter calls, with counters that a test moves."""

__all__ = ["FakeNvml"]


class FakeNvml:
    """GPUs by UUID, each with the millijoules its counter shows; None for a GPU without a counter."""

    class NVMLError(Exception):
        pass

    def __init__(self, counter_mj: dict[str, int | None], *, limit_mw: int | None = 300_000) -> None:
        self.counter_mj, self.limit_mw = counter_mj, limit_mw
        self.driver_works = True
        self.lost: set[str] = set()
        self.users = 0

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.driver_works:
            raise self.NVMLError("NVML Shared Library Not Found")
        self.users += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.users -= 1

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "999.99"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.counter_mj)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return list(self.counter_mj)[index]

    def nvmlDeviceGetUUID(self, handle: str) -> str:  # noqa: N802
        return handle

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return "Made-up GPU"

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:  # noqa: N802
        if self.limit_mw is None:
            raise self.NVMLError("Not Supported")
        return self.limit_mw

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        if self.users < 1:
            raise self.NVMLError("Uninitialized")
        if handle in self.lost:
            raise self.NVMLError("GPU is lost")
        shown_mj = self.counter_mj[handle]
        if shown_mj is None:
            raise self.NVMLError("Not Supported")
        return shown_mj
