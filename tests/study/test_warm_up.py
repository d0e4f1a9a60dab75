"""The first step of a process is paid by nobody."""

import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

from carbon_nas.study.warm_up import warm_up
from carbon_nas.supernet.static import StaticMobileNetV3
from tests.study.bench import TickingMeter, run, tiny_study

STUDY = tiny_study("eager-b1", strategies=("evolution",))


class Watched:
    """What was trained while this was open: the kinds of modules that were called, and who took the steps."""

    def __enter__(self):
        self.kinds, self.optimisers = set(), []
        self._handles = [
            register_module_forward_pre_hook(self._see),
            register_optimizer_step_post_hook(self._count),
        ]
        return self

    def __exit__(self, *_):
        for handle in self._handles:
            handle.remove()

    def _see(self, module, _):
        if module.training:
            self.kinds.add(type(module))

    def _count(self, optimiser, *_):
        self.optimisers.append(optimiser)


def assert_warm(watched):
    """Two networks have taken a step each, and one of them was a plain one."""
    one, other = watched.optimisers
    assert one is not other
    assert StaticMobileNetV3 in watched.kinds


def test_either_kind_of_network_takes_a_step():
    space = STUDY.space.space(in_channels=1, resolutions=STUDY.resolutions)
    with Watched() as watched:
        warm_up(space, STUDY.trainer, torch.device("cpu"))
    assert_warm(watched)


class FirstReading(TickingMeter):
    """A meter that looks, when it is first read, at what was trained before."""

    def __init__(self, watched):
        super().__init__()
        self._watched, self.looked = watched, False

    def read(self):
        if not self.looked:
            assert_warm(self._watched)
            self.looked = True
        return super().read()


def test_it_does_so_before_anything_is_metered(tmp_path):
    with Watched() as watched:
        meter = FirstReading(watched)
        run(tmp_path, STUDY, meter=meter)
    assert meter.looked
