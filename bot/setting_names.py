"""Finds names that look like settings and are none: slips in the environment, and whatever is unknown in `.env`."""

import logging
import re
from collections.abc import Collection, Mapping
from difflib import SequenceMatcher, get_close_matches
from io import StringIO

from dotenv.parser import Binding, parse_stream

logging.getLogger("dotenv").setLevel(logging.ERROR)  # no warnings about lines of `.env`, which `faults` reports

SLIP = 0.85
"""Likeness (difflib's ratio) to a setting from which a name in the environment counts as misspelt: 0.85 allows one
wrong letter in seven. EDITS caps longer names."""
EDITS = 2  # letters that may differ (a swap counts as two)
SUGGESTION = 0.75  # similarity from which a setting is suggested for a name that is wrong anyway
PLATFORM_PREFIXES = ("TELEGRAM_", "WHATSAPP_")
PLANNED = ("ALLOW_CHAT_QUERY", "WHATSAPP_MONTHLY_BUDGET")
"""Settings of a later version, whose names no other program has."""
FOREIGN = re.compile(
    r"HTTPS_(HOST|PORT)|WECHAT|TZ|LANG|LC_\w+|PATH|HOME|USER|(HTTP|HTTPS|ALL|NO|FTP)_PROXY|SSL_CERT_(FILE|DIR)"
    r"|(UID|GID|PUID|PGID)|(\w+_)?(IMAGE|TAG|VERSION)"  # of a compose file, which reads `.env` too
    r"|(PG|POSTGRES_|COMPOSE_|DOCKER_|PYTHON|UV_|PIP_)\w+"
    r"|TELEGRAM_CLI(_\w+)?"  # the command-line client
    # of a Bot API server of one's own, which may read the same file
    r"|TELEGRAM_(API_ID|API_HASH|LOCAL|STAT|FILTER|VERBOSITY|(HTTP|STAT|WORK|TEMP|LOG|MAX)_\w+)"
)
"""Names of other programs, in the environment or in a `.env` that is read by them too."""
DOUBTFUL = re.compile(r"HTTP[D23]_(HOST|PORT)|HTTP_(HOST|PORT)_\d+|(TELEGRAM|WHATSAPP)_(HOST|PORT)")
"""Names that are nearly a setting, and likely another program's: a warning."""
SERVICE_LINK = re.compile(r"\w+_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
SERVICE_URL = re.compile(r"(tcp|udp|sctp)://\S+")
"""Kubernetes names each service in the environment, and gives its address as NAME_PORT=tcp://10.0.0.1:80.
Source: Kubernetes, Service, environment variables."""
SHOWABLE = re.compile(r"[A-Za-z]{1,20}(_[A-Za-z0-9]{1,20}){0,6}")
"""What may be shown. Anything else in `.env` may be a secret that was pasted without a name."""
DOTENV = ".env"


def faults(settings: Collection[str], environment: Mapping[str, str], dotenv: str) -> list[str]:
    """One line for each wrong name, given the real ones in capitals and the text of `.env`; values are never shown.

    An empty value means not set, as with settings. In the environment, where most names are other programs', only slips
    and planned settings are wrong; in `.env`, which is ours, every name is that we do not know.
    """
    known = _with_files(settings)
    lines = []
    for name in _set_and_unknown(_without_service_links(environment), known):
        setting = _slip_of(name, known)
        if setting or name.removesuffix("_FILE") in PLANNED:
            lines.append(_line(name, "the environment", setting))
    return lines + _dotenv_faults(dotenv, known)


def _dotenv_faults(text: str, known: Collection[str]) -> list[str]:
    lines, variables = [], {}
    for binding in parse_stream(StringIO(text)):
        key, value = binding.key, binding.value
        if binding.error or (key is not None and (value is None or not SHOWABLE.fullmatch(key))):
            lines.append(f"{DOTENV}: line {_line_number(binding)} is not NAME=value (not shown: it may be a secret)")
        elif key is not None:
            variables[key] = value or ""
    return lines + [_line(name, DOTENV, _suggestion(name, known)) for name in _set_and_unknown(variables, known)]


def _line_number(binding: Binding) -> int:
    text = binding.original.string
    return binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")


def warnings(settings: Collection[str], environment: Mapping[str, str]) -> list[str]:
    """One line for each name in the environment that may be meant for us, and may be another program's as well.

    It begins like a platform's settings or is nearly a setting, but is no slip.
    """
    known = _with_files(settings)
    return [
        _warning(name, _nearest(name, known, SLIP))
        for name in _set_and_unknown(_without_service_links(environment), known)
        if (name.startswith(PLATFORM_PREFIXES) or DOUBTFUL.fullmatch(name))
        and name.removesuffix("_FILE") not in PLANNED
        and not _slip_of(name, known)
    ]


def _without_service_links(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not (SERVICE_LINK.fullmatch(name) or (name.endswith("_PORT") and SERVICE_URL.fullmatch(value)))
    }


def _with_files(settings: Collection[str]) -> set[str]:
    return {*settings, *(f"{name}_FILE" for name in settings)}


def _set_and_unknown(variables: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Names in capitals that have a value and are neither ours nor known to be another program's."""
    names = sorted({name.upper() for name, value in variables.items() if value})
    return [name for name in names if name not in known and not FOREIGN.fullmatch(name)]


def _slip_of(name: str, known: Collection[str]) -> str:
    """The setting that was surely meant, or an empty string."""
    setting = "" if DOUBTFUL.fullmatch(name) else _nearest(name, known, SLIP)
    return setting if _edits(name, setting) <= EDITS else ""


def _edits(name: str, setting: str) -> int:
    """How many letters have to be replaced, added or removed."""
    differences = (code for code in SequenceMatcher(None, name, setting).get_opcodes() if code[0] != "equal")
    return sum(max(end - start, other_end - other_start) for _, start, end, other_start, other_end in differences)


def _suggestion(name: str, known: Collection[str]) -> str:
    """The setting that was perhaps meant, or an empty string."""
    if name in PLANNED:
        return ""
    longer = [setting for setting in sorted(known) if setting.endswith(f"_{name}")]
    return _nearest(name, known, SUGGESTION) or next(iter(longer), "")


def _nearest(name: str, candidates: Collection[str], similarity: float) -> str:
    return next(iter(get_close_matches(name, sorted(candidates), n=1, cutoff=similarity)), "")


def _line(name: str, place: str, setting: str) -> str:
    if setting:
        remedy = f"did you mean {setting}?"
    else:
        remedy = "remove it" + (", or keep other programs' names in another file" if place == DOTENV else "")
    return f"{name}: unknown to this version of Integra (in {place}); {remedy}"


def _warning(name: str, setting: str) -> str:
    hint = f"; if it was meant for it: {setting}" if setting else ""
    return f"Warning: {name} (in the environment) is no setting of Integra and has no effect on it{hint}"
