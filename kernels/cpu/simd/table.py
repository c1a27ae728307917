"""Tables of offsets that are read from an entry on."""

from numba import types
from numba.extending import intrinsic


@intrinsic
def from_entry(typing, table, start):
    """table[start:] for a micro-kernel: only the pointer moves, without the checks of a slice; its size stays as it was."""

    def codegen(context, builder, signature, args):
        moved = context.make_array(table)(context, builder, args[0])
        moved.data = builder.gep(moved.data, [args[1]])
        return moved._getvalue()

    return table(table, types.intp), codegen
