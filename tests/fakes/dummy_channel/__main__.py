"""The command `integra` with the dummy channel: `python -m tests.fakes.dummy_channel API_URL TOKEN SECRET run`."""

import sys

from bot.channels import registry
from tests.fakes.dummy_channel.registration import DummyRegistration

registry.REGISTRATIONS += (DummyRegistration(*sys.argv[1:4]),)
del sys.argv[1:4]

from bot.cli.main import main  # noqa: E402 - the commands of the channels are added when it is imported

main()
