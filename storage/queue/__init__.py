"""The inbound and outbound queues: updates, deliveries, claims, receipts, rate limits."""
