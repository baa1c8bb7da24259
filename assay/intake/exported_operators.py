"""What an exported program may do: operators by name, and the only text that any of them takes.

The loader of torch resolves whatever a program names, `torch.load` and `aten::from_file` among it. The list
holds arithmetic on tensors only: nothing in it reads or writes a file, draws random numbers, or calls back.
"""

from __future__ import annotations

__all__ = ["DROPPED", "FALSE_ONLY", "MAY_ALIAS", "OPERATORS", "SYMBOLIC", "allowed", "in_place"]

_ELEMENTWISE = (
    "abs add sub mul div true_divide floor_divide neg pow rsub exp exp2 expm1 log log1p log2 log10 "
    "sqrt rsqrt square reciprocal sin cos tan tanh sinh cosh asin acos atan atan2 erf erfc sigmoid "
    "log_sigmoid relu relu6 leaky_relu elu selu celu gelu silu mish hardtanh hardsigmoid hardswish "
    "softplus softshrink hardshrink threshold prelu clamp clamp_min clamp_max "
    "floor ceil round trunc sign frac fmod remainder maximum minimum lerp where masked_fill eq ne lt "
    "le gt ge logical_and logical_or logical_not logical_xor bitwise_and bitwise_or bitwise_not "
    "bitwise_xor isnan isinf isfinite nan_to_num addcmul addcdiv fill zero glu"
)
_REDUCING = (
    "sum mean prod amax amin max min argmax argmin all any var std var_mean std_mean norm "
    "linalg_vector_norm logsumexp cumsum cumprod softmax log_softmax _softmax _log_softmax topk sort "
    "argsort median"
)
_LINEAR = (
    "linear matmul mm bmm addmm baddbmm mv dot einsum outer bilinear t transpose permute numpy_T "
    "scaled_dot_product_attention lstm gru rnn_tanh rnn_relu embedding one_hot"
)
_CONVOLVING = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution max_pool1d "
    "max_pool2d max_pool3d max_pool2d_with_indices avg_pool1d avg_pool2d avg_pool3d "
    "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d "
    "adaptive_max_pool1d adaptive_max_pool2d batch_norm _native_batch_norm_legit_no_training "
    "layer_norm native_layer_norm group_norm native_group_norm instance_norm rms_norm dropout "
    "feature_dropout pixel_shuffle pixel_unshuffle upsample_nearest1d upsample_nearest2d "
    "upsample_bilinear2d upsample_bicubic2d"
)
_SHAPING = (
    "view reshape _unsafe_view flatten unflatten squeeze unsqueeze expand expand_as repeat tile cat "
    "concat stack split split_with_sizes chunk unbind slice select narrow index index_select gather "
    "scatter flip roll contiguous clone detach alias copy to _to_copy type_as view_as "
    "repeat_interleave movedim moveaxis swapaxes swapdims pad constant_pad_nd reflection_pad1d "
    "reflection_pad2d replication_pad1d replication_pad2d lift_fresh_copy zeros ones full zeros_like "
    "ones_like full_like new_zeros new_ones new_full arange linspace scalar_tensor tril triu eye"
)
OPERATORS = frozenset(" ".join((_ELEMENTWISE, _REDUCING, _LINEAR, _CONVOLVING, _SHAPING)).split())
"""Names below torch.ops.aten; each also with the underscore of its form that works in place."""
SYMBOLIC = frozenset(f"_operator.{name}" for name in ("add", "sub", "mul", "floordiv", "mod", "neg"))
"""Whole-number arithmetic on sizes."""
DROPPED = frozenset(("_assert_tensor_metadata", "_assert_async", "_assert_scalar"))
"""Checks without a result; Assay asks its own questions of what comes out."""
FALSE_ONLY = {
    "dropout": "train",
    "feature_dropout": "train",
    "batch_norm": "training",
    "lstm": "train",
    "gru": "train",
    "rnn_tanh": "train",
    "rnn_relu": "train",
}
"""Operators with a training mode, and the argument that must say no."""


MAY_ALIAS = frozenset((*_SHAPING.split(), "t", "transpose", "permute", "numpy_T", "dropout")) - {
    *("clone", "cat", "concat", "stack", "repeat", "tile", "lift_fresh_copy", "gather", "index_select"),
}
"""Operators whose result may be the same memory as what they were given."""


def in_place(target: str) -> bool:
    """Whether an operator changes the tensor that it is given first; `detach_` leaves its numbers alone."""
    name = target.split(".")[-2]
    return name.endswith("_") and name != "detach_"


def allowed(target: str) -> str | None:
    """Its name below torch.ops.aten where an operator may be called, "" for symbolic ones; else None."""
    if target in SYMBOLIC:
        return ""
    parts = target.split(".")
    if len(parts) != 5 or parts[:3] != ["torch", "ops", "aten"]:
        return None
    name, overload = parts[3:]
    if not overload.isidentifier() or overload.startswith("_") or "out" in overload.lower():
        return None
    if name == "sym_size" or name in OPERATORS or name in DROPPED:
        return name
    if name.endswith("_") and name[:-1] in OPERATORS:
        return name[:-1]
    return None
