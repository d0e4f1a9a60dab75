"""The once-for-all network, its space, and what is taken out of it."""

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.cost import Cost, cost
from carbon_nas.supernet.extract import extract
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.recalibration import BatchNormStatistics, recalibrate
from carbon_nas.supernet.sorting import sort_channels
from carbon_nas.supernet.space import SearchSpace, Stage
from carbon_nas.supernet.spaces import mobilenet_v3_space, small_image_space, table_space
from carbon_nas.supernet.static import StaticMobileNetV3

__all__ = [
    "Architecture",
    "BatchNormStatistics",
    "Cost",
    "ElasticMobileNetV3",
    "SearchSpace",
    "Stage",
    "StaticMobileNetV3",
    "cost",
    "extract",
    "mobilenet_v3_space",
    "recalibrate",
    "small_image_space",
    "sort_channels",
    "table_space",
]
