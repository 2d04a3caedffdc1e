"""What the conversations are about."""

NAMES = """Ada Arlo Bea Bruno Clara Dot Ezra Faye Felix Finn Greta Hazel Hugo Ivy Jasper Juno Leo Lila Max Milo
Mira Nell Nora Opal Oskar Otis Pip Ralph Remy Rosa Sam Tess Theo Tomas Vera Wren""".split()
ANIMALS = """badger bear beaver cat crow deer dog dragon duck fox frog goat hare hedgehog lion mole mouse otter owl
rabbit seal squirrel swan turtle wolf""".split()
ADJECTIVES = "brave cheerful clever clumsy curious gentle kind lazy proud quiet shy stubborn".split()
PLACES = [p.strip() for p in """apple orchard, busy harbor, dark forest, deep cave, empty castle, frozen river,
green valley, old mill, quiet lake, sandy beach, small village, stone bridge, sunny meadow, tall mountain,
windy hill""".split(",")]
THINGS = """basket bell blanket boat book candle clock compass cup drum feather flute hat key kite ladder lantern
map mirror ring""".split()
FOODS = "apples berries bread carrots cheese honey nuts pancakes pie soup".split()
COLORS = "black blue golden green orange purple red silver white yellow".split()
FEELINGS = "calm glad happy proud surprised thankful".split()

CAPITALS = dict(pair.split("/") for pair in """Austria/Vienna Canada/Ottawa China/Beijing Cuba/Havana Denmark/Copenhagen
Ecuador/Quito Egypt/Cairo England/London Finland/Helsinki France/Paris Germany/Berlin Greece/Athens Hungary/Budapest
Iceland/Reykjavik India/Delhi Ireland/Dublin Italy/Rome Japan/Tokyo Kenya/Nairobi Korea/Seoul Norway/Oslo Peru/Lima
Poland/Warsaw Portugal/Lisbon Russia/Moscow Spain/Madrid Sweden/Stockholm Turkey/Ankara""".split())
CITIES = """Athens Berlin Cairo Delhi Dublin Havana Lima Lisbon Madrid Nairobi Oslo Ottawa Paris Prague Quito Rome
Seoul Tokyo Vienna Warsaw""".split()
OPPOSITES = dict(pair.split("/") for pair in """big/small clean/dirty cold/hot day/night dry/wet early/late far/near
fast/slow first/last full/empty happy/sad hard/soft high/low inside/outside left/right light/dark long/short loud/quiet
old/young open/closed push/pull rich/poor strong/weak thick/thin up/down""".split())
OPPOSITES.update({b: a for a, b in list(OPPOSITES.items())})
NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = """January February March April May June July August September October November December""".split()
YOUNG = dict(pair.split("/") for pair in """bear/cub cat/kitten cow/calf deer/fawn dog/puppy duck/duckling fox/kit
frog/tadpole goat/kid hare/leveret hen/chick horse/foal lion/cub owl/owlet pig/piglet seal/pup sheep/lamb swan/cygnet
wolf/pup""".split())
