"""Every limit on what is taken in: sizes, members, compression, nesting. One place to read and to change.

A file that goes beyond one is refused before the memory or the disk that it asks for is given to it.
"""

from __future__ import annotations

__all__ = [
    "MAX_CONFIG",
    "MAX_DEPTH",
    "MAX_DIRECTORY",
    "MAX_FILES",
    "MAX_FOLDERS",
    "MAX_JSON",
    "MAX_LAYERS",
    "MAX_LINE",
    "MAX_MEMBERS",
    "MAX_MODEL",
    "MAX_MODEL_JSON",
    "MAX_NESTING",
    "MAX_OUTPUTS",
    "MAX_PACKINGS",
    "MAX_RATIO",
    "MAX_ROWS",
    "MAX_TENSOR_HEADER",
    "MAX_UNPACKED",
    "MAX_UNPACKED_TEXT",
    "RATIO_FROM",
]

MAX_MODEL = 64 * 2**30
"""Bytes of a model, all its files together."""
MAX_FILES = 2_000
"""Files of a model folder."""
MAX_FOLDERS = 500
"""Folders below a model folder, and how many may lie in one another:"""
MAX_DEPTH = 16

MAX_JSON = 64 * 2**20
"""Bytes of a JSON file beside weights."""
MAX_CONFIG = 4 * 2**20
"""Bytes of a config.json or architecture.json."""
MAX_MODEL_JSON = 256 * 2**20
"""Bytes of a tree ensemble as JSON."""
MAX_TENSOR_HEADER = 32 * 2**20
"""Bytes of the JSON header of a safetensors file."""
MAX_LAYERS = 1_000
"""Layers, blocks or experts that a configuration may ask for: each is built by a loop."""
MAX_OUTPUTS = 2_000
"""Classes of a model: what is counted of them grows with their square."""
MAX_NESTING = 16
"""Objects and lists in one another, in a model's settings."""

MAX_MEMBERS = 20_000
"""Members of an archive."""
MAX_DIRECTORY = 8 * 2**20
"""Bytes of the list of members of an archive, which is held in memory."""
MAX_PACKINGS = 4
"""Compressed files inside one another that are looked into, to say what they hold; none is read as data."""

MAX_UNPACKED = 64 * 2**30
"""Bytes that an archive unpacks to, all members together."""
MAX_UNPACKED_TEXT = 32 * 2**30
"""Bytes of text that a gzip file unpacks to."""
MAX_RATIO = 200
"""How many times its size a compressed file may unpack to, once it unpacks to more than:"""
RATIO_FROM = 64 * 2**20

MAX_LINE = 2 * 2**20
"""Bytes of one line of a table, or of one text of a Parquet file; a longer one is a broken file or an attack,
and would have to be held in memory."""

MAX_ROWS = 2**32
"""Rows of one dataset. Work is cut into shards by what a child says of them, outside of the child."""
LISTED_CATEGORIES = 1_000
"""More values of a column than this are not listed in a profile."""
