"""Campaigns of kills: `make soak`. Their small form is part of the integration suite."""
