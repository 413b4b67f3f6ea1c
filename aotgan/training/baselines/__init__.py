"""How each of the seven compared models is trained: its published losses and schedule."""
