"""Word lists and facts that IFBench constraints refer to."""

from __future__ import annotations

# The published person names: the instruction quotes the list, so a response can only use these.
PERSON_NAMES = tuple(
    """Emma Liam Sophia Jackson Olivia Noah Ava Lucas Isabella Mason Mia Ethan Charlotte Alexander Amelia
    Benjamin Harper Leo Zoe Daniel Chloe Samuel Lily Matthew Grace Owen Abigail Gabriel Ella Jacob Scarlett
    Nathan Victoria Elijah Layla Nicholas Audrey David Hannah Christopher Penelope Thomas Nora Andrew Aria
    Joseph Claire Ryan Stella Jonathan""".split()
)

COORDINATING_CONJUNCTIONS = frozenset("for and nor but or yet so".split())

PRONOUNS = frozenset(
    """i me my mine myself you your yours yourself yourselves he him his himself she her hers herself it its
    itself we us our ours ourselves they them their theirs themselves this that these those who whom whose
    which what whoever whomever whichever whatever anybody anyone anything everybody everyone everything
    nobody nothing somebody someone something all any both each either neither none some""".split()
)

# Words and, since the published tokens are runs of letters, the pieces of contractions (don + t).
STOP_WORDS = frozenset(
    """i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her
    hers herself it its itself they them their theirs themselves what which who whom this that these those
    am is are was were be been being have has had having do does did doing will can should just a an the
    and but if or because as until while of at by for with about against between into through during
    before after above below to from up down in out on off over under again further then once here there
    when where why how all any both each few more most other some such no nor not only own same so than
    too very now s t d m o y ll re ve ma don ain aren couldn didn doesn hadn hasn haven isn mightn mustn
    needn shan shouldn wasn weren won wouldn""".split()
)

# Words that title case leaves small: articles, coordinating conjunctions, prepositions of up to four letters.
MINOR_WORDS = frozenset(
    """a an the and but for nor or so yet as at by down from in into like near of off on onto out over past
    per than to up upon via vs with if""".split()
)

# By latitude: 64.1 Reykjavik ... 45.8 Zagreb.
CAPITALS_NORTH_OF_45 = tuple(
    """Reykjavik Helsinki Oslo Tallinn Stockholm Riga Moscow Copenhagen Vilnius Minsk Dublin Berlin Amsterdam
    Warsaw London Brussels Kyiv Prague Luxembourg Paris Vienna Bratislava Budapest Vaduz Chisinau Bern
    Ljubljana Zagreb""".split()
)

# The 54 states, with the other names in use, lower case and without accents.
AFRICAN_COUNTRIES = tuple(
    tuple(" ".join(name.split()) for name in names.split("/"))
    for names in """
    algeria, angola, benin, botswana, burkina faso, burundi, cabo verde / cape verde, cameroon, central
    african republic, chad, comoros, congo / republic of the congo / congo-brazzaville / congo republic,
    democratic republic of the congo / dr congo / drc / congo-kinshasa / democratic republic of congo, cote
    d'ivoire / ivory coast, djibouti, egypt, equatorial guinea, eritrea, eswatini / swaziland, ethiopia,
    gabon, gambia, ghana, guinea, guinea-bissau / guinea bissau, kenya, lesotho, liberia, libya, madagascar,
    malawi, mali, mauritania, mauritius, morocco, mozambique, namibia, niger, nigeria, rwanda, sao tome and
    principe / sao tome & principe, senegal, seychelles, sierra leone, somalia, south africa, south sudan,
    sudan, tanzania, togo, tunisia, uganda, zambia, zimbabwe
    """.split(",")
)
