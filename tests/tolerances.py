"""How far two results may be apart, and why: the tests take every tolerance from here.

A level is relative, or absolute for numbers near 1. Integers, such as px and grey levels, have a
unit and stay where they are used.
"""

# double precision: the same mathematics, other rounding
LAST_BITS = 1e-15  # one operation or two
FEW_BITS = 1e-13  # one convolution
DOUBLE = 1e-12  # one formula, its terms in another order
DOUBLE_SUM = 1e-10  # sums of thousands of terms, in NumPy beside PyTorch
DOUBLE_NET = 1e-9  # through all layers, and gradients back

# single precision
SINGLE = 1e-7  # the last digit of numbers near 1
SINGLE_FEW = 1e-6  # a few operations, one after the other
SINGLE_SUM = 1e-5  # sums over an image, other libraries, another number of processes
SINGLE_NET = 1e-4  # through a VGG or fast convolutions; differences instead of derivatives

# half precision and 8 bits
HALF_BITS = 2**-11  # one rounding to float16
ROUNDED = 1e-3  # a tenth of a grey level; roundings to bfloat16 that average out

# random draws and approximations: what the sample or the method leaves
HALF_PERCENT = 0.005
PERCENT = 0.01
TWO_PERCENT = 0.02
FIVE_PERCENT = 0.05
TENTH = 0.1
FIFTH = 0.2

# machines
MEMORY = 0.15  # of a process, as the system counts it
MIXED_GRADIENT = 0.6  # of the largest element: gradients in bfloat16 through a whole network
