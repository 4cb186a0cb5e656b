"""Platform to handler: stored updates, receipts and account events."""
