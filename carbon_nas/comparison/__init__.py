"""Comparing strategies: cost curves, break-even, and what was delivered for the energy."""

from carbon_nas.comparison.break_even import BreakEven, break_even
from carbon_nas.comparison.cost_curve import CostCurve, SeedCost
from carbon_nas.comparison.delivery import Delivery, Gap, deliveries
from carbon_nas.comparison.table import Comparison, PhaseCost, StrategyCost, compare

__all__ = [
    "BreakEven",
    "Comparison",
    "CostCurve",
    "Delivery",
    "Gap",
    "PhaseCost",
    "SeedCost",
    "StrategyCost",
    "break_even",
    "compare",
    "deliveries",
]
