"""WhatsApp's two benchmarks, as they are: what a prompt costs in messages, and how soon a webhook is acknowledged."""

from bench import whatsapp_ack, whatsapp_cost


async def tables(quick: bool) -> str:
    """Markdown."""
    if quick:
        vars(whatsapp_cost)["HABITS"] = whatsapp_cost.HABITS[:1]
    cost = f"Messages per answered prompt:\n\n{await whatsapp_cost.table()}"
    return cost if quick else f"{cost}\n\nWebhooks acknowledged:\n\n{await whatsapp_ack.table()}"
