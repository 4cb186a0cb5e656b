"""WhatsApp's two benchmarks: messages per answered prompt, and webhook acknowledgement latency."""

from bench import whatsapp_ack, whatsapp_cost


async def tables(quick: bool) -> str:
    """Both benchmarks' tables in Markdown; the quick run has only the first, for one habit."""
    if quick:
        vars(whatsapp_cost)["HABITS"] = whatsapp_cost.HABITS[:1]
    cost = f"Messages per answered prompt:\n\n{await whatsapp_cost.table()}"
    return cost if quick else f"{cost}\n\nWebhooks acknowledged:\n\n{await whatsapp_ack.table()}"
