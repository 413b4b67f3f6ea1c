"""The claims ledger: what the paper says, and what decides it."""
