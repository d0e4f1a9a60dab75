"""`python -m carbon_nas`."""

from carbon_nas.cli import main

main()
