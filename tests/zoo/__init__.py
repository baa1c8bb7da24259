"""Models of the zoo for tests: trained at the first call, skipped by name where they cannot be made.

from tests.zoo import zoo_model, zoo_subject
"""

from tests.zoo.made import zoo_model, zoo_subject

__all__ = ["zoo_model", "zoo_subject"]
