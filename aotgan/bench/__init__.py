"""How fast everything is, beside the plain formulation of the released code."""
