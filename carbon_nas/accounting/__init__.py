"""From joules to CO2e: grids, sites, methods, statements."""

from carbon_nas.accounting.grid import Grid, grid, named_grids
from carbon_nas.accounting.methods import metered_kg
from carbon_nas.accounting.site import Site, site
from carbon_nas.accounting.statement import Entry, Statement, account

__all__ = ["Entry", "Grid", "Site", "Statement", "account", "grid", "metered_kg", "named_grids", "site"]
