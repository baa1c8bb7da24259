"""`./run zoo`: small models really trained on real data, deliberately broken siblings, prediction tables.

Cached in .cache/zoo, never committed. Tests, benchmarks and proofs audit them. What needs UCI Adult, the
sprite or the tweets is built where ASSAY_REAL_DATA names the folder of real data.

    found = zoo.model("adult_mlp")              # trained at the first call
    subject = load_subject(found.data_request(), scratch).subject
"""

from benchmarks.zoo.cache import NotHere, real_data
from benchmarks.zoo.catalogue import MODELS, ZooModel, data_request, model
from benchmarks.zoo.tables import TABLES, build

__all__ = ["MODELS", "TABLES", "NotHere", "ZooModel", "build", "data_request", "model", "real_data"]
