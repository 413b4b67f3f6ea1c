"""What `aotgan.inpaint`, its command and the painter do where nothing is said."""

GROW_PX = 0  # a mask is taken at its word
FEATHER_PX = 0  # known pixels stay as they are
