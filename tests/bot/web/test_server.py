"""The common middleware of the HTTP application."""

from tests.bot.web.http_site import Site


async def test_a_page_without_its_database_answers_503_with_retry_after(without_database: Site) -> None:
    async with without_database.client.get("/metrics") as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "5"
        assert "unavailable" in await answer.text()
