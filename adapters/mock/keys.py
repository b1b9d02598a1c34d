"""The keys of the mocked venues, fixed and public: they open nothing else."""

API_KEY = "mock-key"
SECRET = "bW9jay1zZWNyZXQtb2YtdGhlLWRyeS1ydW4="  # noqa: S105 - public. Base64, as OSL wants it; HashKey takes any text
RFQ_ACCEPT_PATH = "/api/v1/mock/acceptQuote"
