"""A module that nobody gets to import."""

import os

os._exit(7)
