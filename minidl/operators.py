"""Operators and methods of Tensor that are functions of `functional`: the very same objects, so no call is added."""

from . import functional as F
from .tensor import Tensor

Tensor.__add__ = F.add
Tensor.__radd__ = lambda self, other: F.add(other, self)
Tensor.__sub__ = F.sub
Tensor.__rsub__ = lambda self, other: F.sub(other, self)
Tensor.__mul__ = F.mul
Tensor.__rmul__ = lambda self, other: F.mul(other, self)
Tensor.__truediv__ = F.div
Tensor.__rtruediv__ = lambda self, other: F.div(other, self)
Tensor.__pow__ = F.pow
Tensor.__rpow__ = lambda self, other: F.pow(other, self)
Tensor.__matmul__ = F.matmul
Tensor.__rmatmul__ = lambda self, other: F.matmul(other, self)
Tensor.__neg__ = F.neg
Tensor.__abs__ = F.abs
Tensor.__getitem__ = F.getitem
Tensor.__eq__ = F.eq
Tensor.__ne__ = F.ne
Tensor.__lt__ = F.lt
Tensor.__le__ = F.le
Tensor.__gt__ = F.gt
Tensor.__ge__ = F.ge

Tensor.abs = F.abs
Tensor.exp = F.exp
Tensor.log = F.log
Tensor.sqrt = F.sqrt
Tensor.pow = F.pow
Tensor.sin = F.sin
Tensor.cos = F.cos
Tensor.tanh = F.tanh
Tensor.sigmoid = F.sigmoid
Tensor.relu = F.relu
Tensor.clamp = F.clamp
Tensor.clone = F.clone
Tensor.sum = F.sum
Tensor.mean = F.mean
Tensor.var = F.var
Tensor.max = F.max
Tensor.min = F.min
Tensor.amax = F.amax
Tensor.amin = F.amin
Tensor.logsumexp = F.logsumexp
Tensor.softmax = F.softmax
Tensor.log_softmax = F.log_softmax
Tensor.transpose = F.transpose
Tensor.flatten = F.flatten
Tensor.squeeze = F.squeeze
Tensor.unsqueeze = F.unsqueeze
Tensor.split = F.split
Tensor.chunk = F.chunk
Tensor.flip = F.flip
Tensor.roll = F.roll
Tensor.gather = F.gather
Tensor.matmul = F.matmul
