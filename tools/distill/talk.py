"""Conversations the demo is taught with: lists of (question, answer) drawn from a seeded generator.

Their wording is that of testdata/demo/eval.jsonl and of `mil eval --needle`. Every kind has one function; KINDS
names them with how often each is drawn.
"""
from words import *

ABOUT = ("I am a tiny demo model. Half of my layers are attention and half are Mamba. I can tell short tales, "
         "remember what you told me, and do small sums.")
SMALL = [
    ("Hello!", "Hello! How can I help you?"), ("Hi", "Hi! Ask me for a story, a sum, or to remember something."),
    ("How are you?", "I am fine, thank you. How can I help you?"), ("Thanks", "You are welcome!"),
    ("Thank you!", "You are welcome!"), ("Goodbye.", "Goodbye! Come back soon."), ("What are you?", ABOUT),
    ("Who are you?", ABOUT), ("Good morning!", "Good morning! What shall we do?"),
    ("What can you do?", "I can tell short tales, answer questions about them, remember what you tell me, and do small sums."),
]


def a(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def add(r):
    """One small sum: two numbers up to 99, or a line of the multiplication table up to 12."""
    op = r.choice("++--*")
    if op == "*":
        x, y = r.randint(0, 12), r.randint(0, 12)
        return r.choice([f"What is {x} times {y}?", f"{x} * {y} = ?"]), f"{x} * {y} = {x * y}."
    x, y = r.randint(0, 99), r.randint(0, 99)
    if op == "-":
        x, y = max(x, y), min(x, y)
        return r.choice([f"What is {x} minus {y}?", f"{x} - {y} = ?"]), f"{x} - {y} = {x - y}."
    return r.choice([f"What is {x} plus {y}?", f"Add {x} and {y}.", f"{x} + {y} = ?"]), f"{x} + {y} = {x + y}."


def fact(r):
    """A question that the model answers from what it has learned."""
    k = r.randrange(12)
    if k <= 1:
        country = r.choice(list(CAPITALS))
        return f"What is the capital of {country}?", f"The capital of {country} is {CAPITALS[country]}."
    if k <= 3:
        w = r.choice(list(OPPOSITES))
        return r.choice([f"What is the opposite of {w}?", f"Tell me the opposite of {w}."]), f"The opposite of {w} is {OPPOSITES[w]}."
    if k == 4:
        n = r.randint(0, 20)
        return r.choice([f"How do you write {n} in words?", f"Write {n} as a word."]), f"{n} is written as {NUMBERS[n]}."
    if k <= 6:
        n = r.randint(0, 20)
        m = n + r.randint(2, 10)
        return f"Count from {n} to {m}.", ", ".join(map(str, range(n, m + 1))) + "."
    if k == 7:
        days = r.choice([DAYS, MONTHS])
        i, what = r.randrange(len(days)), "day" if days is DAYS else "month"
        return f"Which {what} comes after {days[i]}?", f"After {days[i]} comes {days[(i + 1) % len(days)]}."
    if k == 8:
        w = r.choice(list(YOUNG))
        return f"What is a young {w} called?", f"A young {w} is called a {YOUNG[w]}."
    if k == 9:
        n = r.randint(0, 99)
        return f"Is {n} even or odd?", f"{n} is {'odd' if n % 2 else 'even'}."
    if k == 10:
        x, y = r.sample(range(100), 2)
        return f"Which is larger, {x} or {y}?", f"{max(x, y)} is larger than {min(x, y)}."
    w = r.choice(ANIMALS + THINGS)
    return f"Spell {w}.", "-".join(w) + "."


def copy(r):
    """Work on a list of words or numbers in the question itself."""
    words = [r.choice(r.choice([COLORS, FOODS, THINGS, ANIMALS])) for _ in range(r.randint(3, 10))]
    said = " ".join(words)
    k = r.randrange(10)
    if k <= 3:
        return f"Repeat these words: {said}.", said + "."
    if k <= 6:
        return f"Say these words in reverse order: {said}.", " ".join(words[::-1]) + "."
    if k == 7:
        which = r.choice(["first", "last"])
        return f"What is the {which} of these words: {said}?", words[0 if which == "first" else -1] + "."
    if k == 8:
        return f"How many words are these: {said}?", f"These are {len(words)} words."
    numbers = r.sample(range(100), r.randint(3, 5))
    return f"Sort these numbers: {' '.join(map(str, numbers))}.", " ".join(map(str, sorted(numbers))) + "."


def told(r):
    """Something to remember: (statement, reply, key of what it replaces, question, answer)."""
    k = r.randrange(9)
    if k <= 2:
        t, p = r.choice(THINGS), r.choice(PLACES)
        return f"I left my {t} at the {p}.", f"You left your {t} at the {p}.", "at " + t, f"Where did I leave my {t}?", f"You left your {t} at the {p}."
    if k <= 4:
        t, c = r.choice(THINGS), r.choice(COLORS)
        return f"Remember that my {t} is {c}.", f"I will remember that your {t} is {c}.", "is " + t, f"What color is my {t}?", f"Your {t} is {c}."
    if k <= 6:
        n = r.choice(NAMES)
        return f"My name is {n}.", f"Nice to meet you, {n}!", "name", "What is my name?", f"Your name is {n}."
    if k == 7:
        w, n = r.choice(["friend", "brother", "sister"] + ANIMALS), r.choice(NAMES)
        return f"My {w} is called {n}.", f"{n} is a nice name.", "call " + w, f"What is my {w} called?", f"Your {w} is called {n}."
    f = r.choice(FOODS)
    return f"I like to eat {f}.", f"Then I wish you a lot of {f}.", "eat", "What do I like to eat?", f"You like to eat {f}."


def chat(r, tells=None, between=0.5):
    """Statements with other talk between them, then questions about them in any order."""
    turns, known = [], {}
    for _ in range(tells or r.randint(1, 5)):
        say, reply, key, q, answer = told(r)
        turns.append((say, reply))
        known[key] = (q, answer)
        while r.random() < between:
            turns.append(aside(r))
    asked = list(known.values())
    r.shuffle(asked)
    return turns + asked


def aside(r):
    return r.choice([add, fact, lambda r: r.choice(SMALL)])(r)


def tale(r, animal=None, name=None, place=None, adjective=None):
    """A short tale, and questions about it with their answers."""
    hero, home, kind = name or r.choice(NAMES), place or r.choice(PLACES), animal or r.choice(ANIMALS)
    nature = adjective or r.choice(ADJECTIVES)
    friend = r.choice([n for n in NAMES if n != hero])
    other = r.choice([x for x in ANIMALS if x != kind])
    way = r.choice([p for p in PLACES if p != home])
    color, thing, food, feeling = r.choice(COLORS), r.choice(THINGS), r.choice(FOODS), r.choice(FEELINGS)
    s = [r.choice([f"Once upon a time there was {a(nature)} {kind} named {hero} who lived near the {home}.",
                   f"Long ago, near the {home}, there lived {a(nature)} {kind} called {hero}."]),
         r.choice([f"One day {hero} woke up early.", f"One morning {hero} went for a walk.", f"It was raining when {hero} left the house."]),
         r.choice(["The sun was shining.", "The night was clear.", "A strong wind was blowing.", "Snow lay on the ground."]),
         r.choice([f"On the way to the {way}, {hero} found {a(color)} {thing}.",
                   f"Near the {way}, {hero} saw {a(color)} {thing} lying on the ground."]),
         r.choice([f'"Whose {thing} is this?" asked {hero}.', f'"Somebody must miss this {thing}," said {hero}.']),
         f"After a while {a(other)} named {friend} appeared."]
    if r.random() < 0.6:
        s += [f'"That {thing} is mine," said {friend}. "I lost it yesterday."',
              r.choice([f"{hero} gave the {thing} back at once.", f"So {hero} gave {friend} the {thing}, and {friend} smiled."])]
    else:
        s += [f'"Let us use the {thing} to help the others," said {friend}.',
              r.choice([f"Together they carried the {thing} to the {home}.", f"They took the {color} {thing} home together."])]
    s += [r.choice([f"To say thank you, {friend} shared some {food} with {hero}.", f"Then the two friends ate {food} until the moon came up."]),
          r.choice([f"In the end {hero} felt {feeling}.", f"That night {hero} felt {feeling} and slept well."])]
    asked = [(f"What was the name of the {kind}?", f"{hero}."), (f"What was the name of the {other}?", f"{friend}."),
             (f"Where did {hero} live?", f"Near the {home}."), (f"What did {hero} find?", f"{a(color).capitalize()} {thing}."),
             ("What did they eat?", f"{food.capitalize()}."), (f"How did {hero} feel in the end?", f"{feeling.capitalize()}."),
             (f"What color was the {thing}?", f"{color.capitalize()}.")]
    r.shuffle(asked)
    return " ".join(s), asked


def telling(r):
    k, x, n, p, j = r.randrange(6), r.choice(ANIMALS), r.choice(NAMES), r.choice(PLACES), r.choice(ADJECTIVES)
    word = r.choice(["tale", "story"])
    ask, given = [
        (f"Tell me a {word}.", {}), (f"Tell me a {word} about {a(x)}.", {"animal": x}),
        (f"Tell me a {word} about {a(x)} named {n}.", {"animal": x, "name": n}),
        (f"Can you tell me a {word} about {a(j)} {x}?", {"animal": x, "adjective": j}),
        (f"Please tell me a {word} about {a(x)} called {n} who lives near the {p}.", {"animal": x, "name": n, "place": p}),
        (f"I want to hear about {a(x)} from the {p}.", {"animal": x, "place": p})][k]
    text, asked = tale(r, **given)
    return [(ask, text)] + asked[:r.randrange(4)]


def reading(r):
    text, asked = tale(r)
    return [(f"Read this: {text} {asked[0][0]}", asked[0][1])] + asked[1:r.randint(1, 6)]


def filler(r):
    """A sentence that says nothing about codes."""
    k = r.randrange(10)
    return [lambda: f"The road to the {r.choice(PLACES)} was long.",
            lambda: f"The {r.choice(COLORS)} {r.choice(THINGS)} was on the table.",
            lambda: f"The {r.choice(ANIMALS)} slept under a {r.choice(COLORS)} tree.",
            lambda: f"It was a slow day at the {r.choice(PLACES)}.",
            lambda: f"The {r.choice(ANIMALS)} carried a {r.choice(THINGS)} home.",
            lambda: f"{r.choice(NAMES)} and {r.choice(NAMES)} talked about the weather.",
            lambda: f"{r.choice(NAMES)} counted the stars over the {r.choice(PLACES)}.",
            lambda: f"{r.choice(NAMES)} ate {r.choice(FOODS)} in the morning.",
            lambda: r.choice([f"Every evening {r.choice(NAMES)} washed the {r.choice(COLORS)} cup.",
                              f"There was a lot of {r.choice(FOODS)} in the kitchen."]),
            lambda: r.choice([f"Nobody in the {r.choice(PLACES)} heard the {r.choice(THINGS)}.",
                              f"A {r.choice(ADJECTIVES)} {r.choice(ANIMALS)} walked past the {r.choice(PLACES)}."])][k]()


def needle(r, lines=None, facts=None):
    """Secret codes hidden among filler, asked for one after the other."""
    lines = lines or r.randint(2, 32)
    cities = r.sample(CITIES, facts or r.randint(1, 4))
    codes = [f"The secret code of {c} is {r.randint(1000, 9999)}." for c in cities]
    text = [filler(r) for _ in range(lines)]
    for c in codes:
        text.insert(r.randint(0, len(text)), c)
    asked = [(f"What is the secret code of {c}?", s) for c, s in zip(cities, codes)]
    return [("Read this: " + " ".join(text) + " " + asked[0][0], asked[0][1])] + asked[1:]


def few(one):
    return lambda r: [one(r) for _ in range(r.choice([1, 1, 2, 3, 4]))]


KINDS = {"math": (26, few(add)), "fact": (12, few(fact)), "copy": (16, few(copy)), "memo": (16, chat),
         "tale": (7, telling), "read": (8, reading), "needle": (12, needle), "small": (3, few(lambda r: r.choice(SMALL)))}
LONG = {"needle": (5, lambda r: needle(r, r.randint(48, 340), r.randint(2, 8))),
        "memo": (3, lambda r: chat(r, r.randint(4, 10), between=0.85))}


def draw(r, kinds):
    """(name, turns) of a kind drawn as often as it says."""
    name = r.choices(list(kinds), [w for w, _ in kinds.values()])[0]
    return name, kinds[name][1](r)
