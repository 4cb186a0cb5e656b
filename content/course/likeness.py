"""Likeness: which examples a typed text is like, by words and pairs of words that they have and other texts lack."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log

LEAST_WORDS = 3
"""Shorter texts are like nothing: one word or two say too little."""
STEM_LETTERS = 5
"""Longer words count by their first letters, too: `molestando` is like `molesten`."""
NEAR_MISS_WEIGHT = 3
"""How many other texts a near miss counts for, as it draws the border."""
UNSEEN = 0.3
"""How often a word is taken to be in texts that do not have it, so that its absence is no proof."""
MOST = 3.0
"""What one word can count at most, for or against."""

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examples:
    """Texts of one intent and near misses of it, spelled by their sound; `least` is the likeness that is enough."""

    intent: str
    least: float
    texts: Sequence[Words]
    near_misses: Sequence[Words]


class Likeness:
    """What words and pairs of words weigh for each intent, in one language."""

    def __init__(self, examples: Sequence[Examples], others: Sequence[Words]) -> None:
        """Weigh the words of each intent's examples against all other texts; `others` have no intent."""
        examples = [one for one in examples if one.texts]
        self._least = {one.intent: one.least for one in examples}
        self._known = _known(examples)
        weights: dict[str, list[tuple[str, float]]] = {}
        other = _Count([*others])
        counts = {one.intent: _Count(one.texts) for one in examples}
        for one in examples:
            rest = _Count([*one.near_misses] * NEAR_MISS_WEIGHT)
            rest.add(other)
            for intent, count in counts.items():
                if intent != one.intent:
                    rest.add(count)
            for sign, weight in _weights(counts[one.intent], rest):
                weights.setdefault(sign, []).append((one.intent, weight))
        self._weights: Mapping[str, Sequence[tuple[str, float]]] = weights

    def words_known(self, words: Words) -> int:
        """How many words of a text are in any of the texts; more than all, if it is an example or a near miss."""
        return len(words) + 1 if words in self._known else sum(word in self._weights for word in words)

    def find(self, words: Words) -> list[str]:
        """The intents whose examples a text is like; an example, or a near miss, is always known as such."""
        if len(words) < LEAST_WORDS:
            return []
        signs = set(_signs(words))
        sums = dict.fromkeys(self._least, 0.0)
        for sign in signs:
            for intent, weight in self._weights.get(sign, ()):
                sums[intent] += weight
        length, known = len(signs) ** 0.5, self._known.get(words, {})
        return [intent for intent, total in sums.items() if known.get(intent, total >= self._least[intent] * length)]


class _Count:
    """How many of some texts have each sign."""

    def __init__(self, texts: Iterable[Words]) -> None:
        self.texts = 0
        self.signs: Counter[str] = Counter()
        for words in texts:
            self.texts += 1
            self.signs.update(set(_signs(words)))

    def add(self, other: "_Count") -> None:
        self.texts += other.texts
        self.signs.update(other.signs)


def _weights(own: _Count, rest: _Count) -> Iterator[tuple[str, float]]:
    """What each sign weighs: the more, the oftener examples have it than the rest, and the oftener it was seen."""
    unseen = UNSEEN / (own.texts + rest.texts)
    for sign in own.signs.keys() | rest.signs.keys():
        in_own, in_rest = own.signs[sign], rest.signs[sign]
        weight = log((in_own / own.texts + unseen) / (in_rest / max(rest.texts, 1) + unseen))
        yield sign, max(-MOST, min(MOST, weight)) * (in_own + in_rest) / (in_own + in_rest + 1)


def _known(examples: Sequence[Examples]) -> Mapping[Words, Mapping[str, bool]]:
    """By the words of each example and near miss: which intents it has, and which not."""
    known: dict[Words, dict[str, bool]] = {}
    for one in examples:
        for words in one.texts:
            known[words] = {other.intent: other is one for other in examples}
        for words in one.near_misses:
            known.setdefault(words, {})[one.intent] = False
    return known


def _signs(words: Words) -> Iterator[str]:
    """What is counted: words, beginnings of long words, and pairs of words, also with the text's beginning and end."""
    before = "<"
    for word in words:
        yield word
        yield f"{before} {word}"
        if len(word) > STEM_LETTERS:
            yield f"{word[:STEM_LETTERS]}*"
        before = word
    yield f"{before} >"
