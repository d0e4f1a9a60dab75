"""The once-for-all network, its space, and what is taken out of it."""

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.cost import Cost, cost
from carbon_nas.supernet.extract import extract
from carbon_nas.supernet.network import ElasticMobileNetV3, recalibrate
from carbon_nas.supernet.space import SearchSpace, Stage, small_image_space
from carbon_nas.supernet.static import StaticMobileNetV3

__all__ = [
    "Architecture",
    "Cost",
    "ElasticMobileNetV3",
    "SearchSpace",
    "Stage",
    "StaticMobileNetV3",
    "cost",
    "extract",
    "recalibrate",
    "small_image_space",
]
