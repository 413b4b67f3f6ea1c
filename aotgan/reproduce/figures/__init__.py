"""Pictures: one style, the paper's figures redrawn, and what is behind them."""
