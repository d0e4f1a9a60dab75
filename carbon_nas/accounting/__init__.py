"""From joules to CO2e: grids, sites, methods, statements, and how sure they are."""

from carbon_nas.accounting.grid import Grid, Kind, grid, named_grids
from carbon_nas.accounting.methods import METHODS, metered_kg
from carbon_nas.accounting.site import Site, site
from carbon_nas.accounting.site_file import SiteFile
from carbon_nas.accounting.site_reading import read_site_file
from carbon_nas.accounting.sites import Sites
from carbon_nas.accounting.statement import Entry, Statement, account

__all__ = [
    "Entry",
    "Grid",
    "Kind",
    "METHODS",
    "Site",
    "SiteFile",
    "Sites",
    "Statement",
    "account",
    "grid",
    "metered_kg",
    "named_grids",
    "read_site_file",
    "site",
]
