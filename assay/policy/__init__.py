"""Policies: limits fixed before a run, and the verdicts that they give on its measures."""

from assay.policy.checking import check_policy
from assay.policy.exits import exit_code
from assay.policy.judging import judge
from assay.policy.loading import list_packs, load_policy

__all__ = ["check_policy", "exit_code", "judge", "list_packs", "load_policy"]
