"""Optimisers' steps in one pass over the weights, by TensorFlow's own kernels.

Keras writes Adam and RMSprop as some ten passes over weights, gradients and moments, which for the
first layer of the paper's MLPs (0.8 million weights) take as long as the products. The formulas
are Keras's; only the rounding may differ. For all else the optimiser stays what it is.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any

from backbeat.zoo.build import load_keras


def fuse(optimizer: Any) -> None:
    """Have a ``keras.Optimizer`` that is not built yet take its steps by a kernel of TensorFlow.

    Only plain Adam and RMSprop on the back end TensorFlow have one; all others stay as they are.
    """
    keras = load_keras()
    if keras.backend.backend() != "tensorflow":
        return
    # Not their subclasses, such as AdamW.
    if type(optimizer) is keras.optimizers.Adam and not optimizer.amsgrad:
        optimizer.update_step = MethodType(_adam, optimizer)
    elif type(optimizer) is keras.optimizers.RMSprop and not (
        optimizer.centered or optimizer.momentum
    ):
        optimizer.update_step = MethodType(_rmsprop(), optimizer)


def _adam(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    import tensorflow as tf

    index = optimizer._get_variable_index(variable)
    step = tf.cast(optimizer.iterations.value + 1, variable.dtype)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=optimizer._momentums[index].value.handle,
        v=optimizer._velocities[index].value.handle,
        beta1_power=tf.pow(tf.cast(optimizer.beta_1, variable.dtype), step),
        beta2_power=tf.pow(tf.cast(optimizer.beta_2, variable.dtype), step),
        lr=tf.cast(learning_rate, variable.dtype),
        beta1=optimizer.beta_1,
        beta2=optimizer.beta_2,
        epsilon=optimizer.epsilon,
        grad=gradient,
    )


def _rmsprop() -> Callable[..., None]:
    # The kernel writes its last step here even without momentum; nobody reads it.
    scratch: dict[int, Any] = {}

    def step(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        import tensorflow as tf

        index = optimizer._get_variable_index(variable)
        if index not in scratch:
            with tf.init_scope():
                scratch[index] = tf.Variable(tf.zeros_like(variable), trainable=False)
        tf.raw_ops.ResourceApplyRMSProp(
            var=variable.handle,
            ms=optimizer._velocities[index].value.handle,
            mom=scratch[index].handle,
            lr=tf.cast(learning_rate, variable.dtype),
            rho=optimizer.rho,
            momentum=0.0,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )

    return step
