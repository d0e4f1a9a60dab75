"""Studies: planned from a file, run phase by phase, resumed where they stopped."""

from carbon_nas.study.plan import Study, built_in_studies, load_study
from carbon_nas.study.runner import Host, Runner

__all__ = ["Host", "Runner", "Study", "built_in_studies", "load_study"]
