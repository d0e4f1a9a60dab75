"""The once-for-all network, its space, and what is taken out of it."""

from carbon_nas.supernet.architecture import Architecture
from carbon_nas.supernet.batch_norm import BatchNormStatistics
from carbon_nas.supernet.checkpoint import Checkpoint, load_supernet, save_supernet
from carbon_nas.supernet.cost import Cost, cost
from carbon_nas.supernet.extract import extract
from carbon_nas.supernet.layers import Stage
from carbon_nas.supernet.network import ElasticMobileNetV3
from carbon_nas.supernet.official import LoadReport, load_official_state_dict, official_state_dict
from carbon_nas.supernet.recalibration import recalibrate
from carbon_nas.supernet.sorting import sort_channels
from carbon_nas.supernet.space import SearchSpace
from carbon_nas.supernet.spaces import mobilenet_v3_space, small_image_space, table_space
from carbon_nas.supernet.static import StaticMobileNetV3
from carbon_nas.supernet.subnetwork import SubNetwork

__all__ = [
    "Architecture",
    "BatchNormStatistics",
    "Checkpoint",
    "Cost",
    "ElasticMobileNetV3",
    "LoadReport",
    "SearchSpace",
    "Stage",
    "StaticMobileNetV3",
    "SubNetwork",
    "cost",
    "extract",
    "load_official_state_dict",
    "load_supernet",
    "mobilenet_v3_space",
    "official_state_dict",
    "recalibrate",
    "save_supernet",
    "small_image_space",
    "sort_channels",
    "table_space",
]
