"""The types that a skops file may hold: a fixed list, whatever skops itself would trust."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ARRAY_TYPES",
    "FUNCTIONS",
    "OBJECTS",
    "PLAIN_TYPES",
    "REPLACED",
    "SEARCH_TREES",
    "TREE_FIELDS",
    "TRUSTED",
]

PLAIN_TYPES = ("builtins.str", "builtins.int", "builtins.float", "builtins.bool")
_NUMBERS = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "str_"),
)
ARRAY_TYPES = ("numpy.ndarray", *(f"numpy.{name}" for name in _NUMBERS))
"""Of arrays and of single numbers as NumPy keeps them; also the types that may be named as such."""
FUNCTIONS = tuple(
    f"numpy.{name}"
    for name in (
        *("log", "log1p", "log2", "log10", "exp", "expm1", "sqrt", "cbrt", "square", "abs", "absolute"),
        *("sign", "sin", "cos", "tan", "tanh", "arcsinh", "sinh", "arctan", "negative", "reciprocal"),
    )
)
"""Element-wise functions of one array, as a FunctionTransformer applies them."""

_LINEAR = {
    "_base": "LinearRegression",
    "_bayes": "BayesianRidge ARDRegression",
    "_coordinate_descent": "Lasso LassoCV ElasticNet ElasticNetCV",
    "_glm.glm": "PoissonRegressor GammaRegressor TweedieRegressor _GeneralizedLinearRegressor",
    "_huber": "HuberRegressor",
    "_least_angle": "Lars LassoLars LassoLarsIC",
    "_logistic": "LogisticRegression LogisticRegressionCV",
    "_omp": "OrthogonalMatchingPursuit",
    "_passive_aggressive": "PassiveAggressiveClassifier PassiveAggressiveRegressor",
    "_perceptron": "Perceptron",
    "_quantile": "QuantileRegressor",
    "_ridge": "Ridge RidgeCV RidgeClassifier RidgeClassifierCV _RidgeGCV _IdentityRegressor "
    "_IdentityClassifier",
    "_stochastic_gradient": "SGDClassifier SGDRegressor SGDOneClassSVM",
    "_theil_sen": "TheilSenRegressor",
}
_MODULES = {
    "sklearn.calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration",
    "sklearn.compose._column_transformer": "ColumnTransformer _RemainderColsList",
    "sklearn.compose._target": "TransformedTargetRegressor",
    "sklearn.covariance._elliptic_envelope": "EllipticEnvelope",
    "sklearn.covariance._empirical_covariance": "EmpiricalCovariance",
    "sklearn.decomposition._pca": "PCA",
    "sklearn.decomposition._truncated_svd": "TruncatedSVD",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.dummy": "DummyClassifier DummyRegressor",
    "sklearn.ensemble._bagging": "BaggingClassifier BaggingRegressor",
    "sklearn.ensemble._forest": "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier "
    "ExtraTreesRegressor",
    "sklearn.ensemble._gb": "GradientBoostingClassifier GradientBoostingRegressor",
    "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": "HistGradientBoostingClassifier "
    "HistGradientBoostingRegressor",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.ensemble._iforest": "IsolationForest",
    "sklearn.ensemble._stacking": "StackingClassifier StackingRegressor",
    "sklearn.ensemble._voting": "VotingClassifier VotingRegressor",
    "sklearn.ensemble._weight_boosting": "AdaBoostClassifier AdaBoostRegressor",
    "sklearn.feature_selection._from_model": "SelectFromModel",
    "sklearn.feature_selection._rfe": "RFE",
    "sklearn.feature_selection._univariate_selection": "SelectKBest SelectPercentile",
    "sklearn.feature_selection._variance_threshold": "VarianceThreshold",
    "sklearn.impute._base": "SimpleImputer MissingIndicator",
    "sklearn.isotonic": "IsotonicRegression",
    "sklearn.kernel_approximation": "Nystroem RBFSampler",
    "sklearn.kernel_ridge": "KernelRidge",
    "sklearn.multiclass": "OneVsRestClassifier OneVsOneClassifier _ConstantPredictor",
    "sklearn.naive_bayes": "GaussianNB BernoulliNB ComplementNB MultinomialNB CategoricalNB",
    "sklearn.neighbors._classification": "KNeighborsClassifier",
    "sklearn.neighbors._nearest_centroid": "NearestCentroid",
    "sklearn.neighbors._regression": "KNeighborsRegressor",
    "sklearn.neural_network._multilayer_perceptron": "MLPClassifier MLPRegressor",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.pipeline": "Pipeline FeatureUnion",
    "sklearn.preprocessing._data": "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer "
    "Binarizer "
    "QuantileTransformer PowerTransformer",
    "sklearn.preprocessing._discretization": "KBinsDiscretizer",
    "sklearn.preprocessing._encoders": "OneHotEncoder OrdinalEncoder",
    "sklearn.preprocessing._function_transformer": "FunctionTransformer",
    "sklearn.preprocessing._label": "LabelBinarizer LabelEncoder",
    "sklearn.preprocessing._polynomial": "PolynomialFeatures",
    "sklearn.preprocessing._target_encoder": "TargetEncoder",
    "sklearn.svm._classes": "LinearSVC LinearSVR SVC NuSVC SVR NuSVR OneClassSVM",
    "sklearn.tree._classes": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier "
    "ExtraTreeRegressor",
    "sklearn.utils._bunch": "Bunch",
    "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogitLink LogLink MultinomialLogit",
    "sklearn._loss.loss": "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss "
    "HalfPoissonLoss HalfSquaredError HuberLoss PinballLoss HalfTweedieLoss HalfTweedieLossIdentity",
    **{f"sklearn.linear_model.{module}": names for module, names in _LINEAR.items()},
}
_LOSSES = {
    "sklearn.linear_model._sgd_fast": "EpsilonInsensitive Hinge ModifiedHuber SquaredEpsilonInsensitive "
    "SquaredHinge",
    "sklearn._loss._loss": "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss "
    "CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss CyHalfTweedieLossIdentity "
    "CyHuberLoss CyPinballLoss",
}
_TREE = "sklearn.tree._tree.Tree"

OBJECTS: Mapping[str, tuple[str, ...]] = {
    "ObjectNode": tuple(f"{module}.{name}" for module, names in _MODULES.items() for name in names.split()),
    "LossNode": tuple(f"{module}.{name}" for module, names in _LOSSES.items() for name in names.split()),
    "TreeNode": (_TREE,),
    "DTypeNode": ("numpy.dtype",),
    "DictNode": ("builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"),
    "ListNode": ("builtins.list", "sklearn.compose._column_transformer._RemainderColsList"),
    "TupleNode": ("builtins.tuple",),
    "SetNode": ("builtins.set",),
    "SliceNode": ("builtins.slice",),
    "JsonNode": ("builtins.str",),
    "NdArrayNode": ARRAY_TYPES,
    "TypeNode": (*PLAIN_TYPES, *ARRAY_TYPES),
    "FunctionNode": FUNCTIONS,
}
"""How skops makes an object -> what it may make so. Loaders that are not here are refused: methods, partials,
operators, bytes, sparse matrices, constructors that take arguments, references to other nodes."""

TRUSTED = sorted({name for names in OBJECTS.values() for name in names})
"""What skops is told to trust: no more than was checked."""

SEARCH_TREES = ("sklearn.neighbors._kd_tree.KDTree", "sklearn.neighbors._ball_tree.BallTree")
_SCORES = (
    *(f"_univariate_selection.{name}" for name in ("f_classif", "f_regression", "r_regression", "chi2")),
    *(f"_mutual_info.{name}" for name in ("mutual_info_classif", "mutual_info_regression")),
)
REPLACED = (
    *SEARCH_TREES,
    *("numpy.random.mtrand.RandomState", "numpy.random._generator.Generator"),
    *(f"sklearn.feature_selection.{name}" for name in _SCORES),
)
"""What answers do not need and cannot be checked: nothing (None) takes its place. Random generators and the
functions that score columns serve fitting; search trees are memory as it lay, and neighbours can be found
without them."""

TREE_FIELDS = (
    *("left_child", "right_child", "feature", "threshold", "impurity", "n_node_samples"),
    *("weighted_n_node_samples", "missing_go_to_left"),
)
