"""Officers, sealed cases and the ledger."""
