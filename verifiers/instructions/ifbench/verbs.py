"""Whether a text starts with a verb: a list of base forms, their regular inflections, and the word after.

A word that is a noun as well counts as a verb unless the next word shows the noun ("Work is", "Use of").
Third persons ("answers", "lights") are plural nouns far more often at the start of a text, so only those of
auxiliaries count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from verifiers.instructions.ifbench.reading import lower_words

BASE_FORMS = frozenset(
    """abandon absorb accelerate accept access accommodate accompany accomplish account accumulate accuse
    achieve acknowledge acquire act activate adapt add address adhere adjust administer admire admit adopt
    advance advertise advise advocate affect affirm afford agree aid aim alert align allocate allow alter
    amplify analyse analyze anchor annotate announce answer anticipate apologise apologize appeal appear
    append applaud apply appoint appreciate approach approve argue arise arrange arrive articulate ascend
    ask assemble assert assess assign assist associate assume assure attach attack attain attempt attend
    attract author authorize automate avoid await awake awaken award back bake balance ban bargain bathe
    battle be bear beat become beg begin behave behold believe belong bend benefit bet beware bid bind
    bite blame blast bleed blend bless block bloom blow boast boil book boost borrow bounce bow brace
    braid brainstorm branch break breathe breed brew bring broadcast broaden brush bubble budget build
    bump burn burst bury buy buzz bypass calculate calibrate call calm camp cancel capture care carry
    carve cast catch categorise categorize cause cease celebrate challenge change channel characterize
    charge chart chase chat check cheer cherish chew choose chop circulate cite claim clarify clasp
    classify clean cleanse clear click climb cling close clothe coach code collaborate collapse collect
    combat combine come comfort command commemorate commence comment commit communicate compare compete
    compile complain complement complete compose comprehend compress compute conceal concede conceive
    concentrate conclude conduct configure confirm confront connect conquer consider consist consolidate
    construct consult consume contact contain contemplate contend continue contract contrast contribute
    control convert convey convince cook cool cooperate coordinate copy correct correspond count counter
    cover crack craft crash crave crawl create critique cross crouch crush cry cultivate cure curl
    customize cut dance dare dash date dazzle deal debate debug decide decipher declare decline decode
    decorate decrease dedicate deepen defeat defend defer define defy delay delegate delete deliver delve
    demand demonstrate denote deny depart depend depict deploy derive descend describe deserve design
    designate desire destroy detach detail detect determine develop devise devote devour dictate differ
    differentiate dig digest dip direct disappear discard discern discover discuss dismantle dismiss
    dispel disperse display dispose disrupt dissect dissolve distinguish distribute dive divide do
    document dominate donate doubt download draft drag drain draw dream dress drift drill drink drive drop
    drown dry dwell earn ease eat echo edit educate effect elaborate elect elevate eliminate elucidate
    embark embody embrace emerge emit emphasise emphasize employ empower enable enact encode encounter
    encourage end endorse endure energize enforce engage engineer engrave enhance enjoy enlarge enlighten
    enlist enrich enroll ensure enter entertain envelop envisage envision equip eradicate erase escape
    escort establish estimate evade evaluate evolve examine exceed excel exchange excite exclude excuse
    execute exemplify exercise exhale exhibit exist exit expand expect expedite experience experiment
    explain exploit explore export expose express extend extract face facilitate fail fall familiarize
    fancy fasten favor fear feast feature feed feel fetch fight file fill filter finalize finance find
    finish fire fit fix flaunt flee flex flip float flourish flow fly focus fold follow fool forbid force
    forecast foresee forge forget forgive form formulate fortify foster found frame free freeze frighten
    fuel fulfil fulfill fund fuse gain gamble gather gauge gaze generalize generate get give glance gleam
    glide glimpse glow go govern grab graduate grant grasp greet grin grind grip group grow guarantee
    guard guess guide handle hang happen harmonize harness harvest hasten hate haunt have head heal hear
    heat heed help hesitate hide highlight hire hit hoist hold honor hop hope host hover howl hug hum hunt
    hurry hurt hypothesize identify ignite ignore illuminate illustrate imagine imbue imitate immerse
    impart implement imply import impose impress improve improvise incorporate increase indicate indulge
    infer influence inform infuse inhabit inhale inherit initialize initiate inject innovate input inquire
    insert insist inspect inspire install instill instruct integrate intend intensify interact interpret
    interrogate intersect intertwine interview introduce invent invest investigate invite invoke involve
    isolate iterate jog join joke journey judge juggle jump justify keep kick kill kindle kiss kneel knit
    knock know label lack land laugh launch lay lead leap learn leave lend let leverage liberate lie lift
    light like limit linger link list listen live load locate lock log long look loosen lose love lower
    lurk magnify maintain make manage manifest manipulate map march mark market marvel master match
    maximize mean measure meditate meet melt memorize mend mention merge mess migrate mind mine mingle
    minimize mirror miss mitigate mix mobilize model moderate modernize modify monitor motivate mount move
    multiply muse name narrate narrow navigate need negate negotiate nestle neutralize nominate note
    notice notify nourish nurture obey object obliterate observe obtain occupy occur offer open operate
    oppose optimise optimize orchestrate order organise organize orient originate outline output overcome
    overlook oversee own pack paint pair park participate partition partner pass paste patch pause pave
    pay peel peer penetrate perceive perfect perform permit persevere persist personalize persuade pervade
    phone pick picture pinpoint place plan plant play plead please pledge plot plunge point polish ponder
    populate portray pose position possess post postpone pour power practice practise praise pray precede
    predict prefer prepare prescribe present preserve press presume pretend prevail prevent preview print
    prioritise prioritize probe proceed process proclaim procure produce profile program progress prohibit
    project prolong promise promote prompt pronounce propagate propel propose protect protest prove
    provide provoke publish pull pump punish purchase purify pursue push put qualify quantify quench quest
    question quit quote race radiate raise rally ramble rank rate reach react read realise realize reap
    reason reassess reassure rebuild recall recede receive recite reckon recognise recognize recommend
    reconcile reconsider reconstruct record recover recreate recruit recycle redefine redirect rediscover
    reduce refer refine reflect reframe refresh refuse regain regard register regret regulate reimagine
    reinforce reject rejoice rejuvenate relate relax release relish relive rely remain remember remind
    reminisce remove render renew renovate rent repair repeat replace replicate reply report represent
    reproduce request require rescue research resemble reserve reset reside resist resolve resonate
    respect respond rest restore restrict result resume retain rethink retire retreat retrieve return
    reuse reveal revel reverse review revise revisit revive revolutionize reward rewrite ride ring rise
    risk roam roar roast rock roll rotate ruin rule run rush sail salute save savor say scale scan scatter
    schedule scold scope score scour scramble scrape scratch scream screen scrutinize sculpt seal search
    season secure see seek seem seize select sell send sense separate serve set settle sew shake shape
    share sharpen shatter shed shield shift shimmer shine ship shiver shock shoot shop shorten shout show
    showcase shower shrink shut sift sigh sign signal simmer simplify simulate sing sink sip sit sketch
    ski skip slam slash sleep slice slide slip slow smash smell smile smooth snap snatch sneak soak soar
    socialize solve soothe sort sound source span spark sparkle spawn speak specialize specify speculate
    spell spend spill spin spiral splash split sponsor spot sprawl spread spring sprinkle sprint sprout
    spur squeeze stabilize stack staff stage stand standardize stare start startle state station stay
    steal steer step stick stimulate stir stop store storm strap streamline strengthen stress stretch
    stride strike string strip strive stroll structure struggle study stumble stun submit subscribe
    substitute subtract succeed suffer suggest suit sum summarise summarize summon supervise supply
    support suppose suppress surf surge surpass surprise surrender surround survey survive suspect suspend
    sustain swallow sway swear sweep swim swing switch symbolize sympathize synchronize synthesize tackle
    tailor take talk tame tap target taste teach tear tease tell tempt tend terminate test testify thank
    thaw think thread threaten thrive throw thrust tickle tie tilt time tip toast toggle tolerate torment
    toss total touch tour trace track trade train transcend transfer transform translate transmit
    transport transpose trap travel traverse tread treasure treat tremble trigger trim triumph trust try
    tug tumble tune turn tutor twist type uncover undergo underline understand undertake undo unearth
    unfold unify unite unleash unlock unpack unravel unveil update upgrade uphold upload urge use utilise
    utilize validate value vanish vary venture verify view vindicate violate visit visualise visualize
    voice volunteer vote voyage wade wait wake walk wander want warm warn wash waste watch water wave
    weave weigh welcome whip whirl whisper widen win wind wipe wish withdraw withhold witness wonder work
    worry worship wrap wrestle write yearn yell yield zoom""".split()
)
_IRREGULAR = frozenset(
    """am are became been began begun being bent bitten blown bore born borne bought bound broke broken
    brought built burnt came caught chose chosen clung crept dealt did does done drawn drew driven drove
    drunk dug eaten fallen fell felt fled flew flown forgiven forgot forgotten fought froze frozen gave
    given gone got gotten grew grown had has heard held hidden hung is kept knew known laid led left lent
    lit lost made meant met overcame paid ran rang risen rose said sang sat saw seen sent sewn shaken
    shone shot shown slept slid sold sought spent spoke spoken spun stole stolen stood struck stuck stung
    sung sunk swept sworn swum swung taken taught thought threw thrown told took torn understood undone
    was went were woke woken won wore worn wound woven written wrote""".split()
)
_AUXILIARIES = frozenset(
    """am are is was were be been being do does did have has had can could will would shall should may might
    must ought let""".split()
)
_MODALS = frozenset("can could will would shall should may might must ought".split())
_FINITE = _AUXILIARIES - frozenset("be been being do have let".split())
_NO_VERBS = frozenset(
    """anything beijing ceiling during evening everything king morning nothing offspring ping sibling sling
    something spring sterling string thing viking wing bed bleed breed creed deed exceed feed greed
    hundred indeed infrared kindred need proceed red reed sacred seed shed sled speed steed succeed
    weed""".split()
)
_VERBS_WITH_OF = frozenset(
    "approve beware conceive consist dispose dream hear know learn speak talk think".split()
)
# Frequent words that newspapers use as verbs only; the published tagger takes rarer ones, which begin with a
# capital here, for names.
_PUBLISHED_IMPERATIVES = frozenset(
    """accept achieve add agree allow ask avoid become begin believe bring build buy choose come
    consider continue create decide develop eat ensure establish expect explain find get give go
    grow hear improve include join keep know learn leave look lose maintain make meet note obtain
    pay prepare prevent produce protect prove provide put read receive recognize reduce remain
    remember remove replace require run save say see seek sell send serve show speak spend start
    stay stop suppose take talk tell think try turn understand use
    wait want write""".split()
)
# Third persons that are hardly ever plural nouns: the word before them is their subject ("Water flows").
_THIRD_PERSONS = frozenset(
    """absorbs adds allows applies arises becomes begins belongs boils brings buys carries comes connects
    consists contains continues covers creates decreases depends describes develops dries eats enables erodes
    evaporates exists expands fades follows flows freezes gets gives goes grows happens helps holds improves
    includes increases involves keeps leads lets lies makes matters means meets melts moves occurs offers
    peels plays prevents produces protects provides puts reaches reacts reduces refers reflects remains
    requires rises runs says seems seeps serves sinks sits solidifies spreads stays takes teaches tells tends
    wins works""".split()
)
_LIST_NUMBER = re.compile(r"^[\s*_>-]*\(?\d{1,3}[.)]\s")
_OPENING = 1000  # characters in which the first two words are looked for


def _stems(word: str, suffix: str) -> Iterator[str]:
    stem = word.removesuffix(suffix)
    yield stem
    yield stem + "e"
    if stem[-2:-1] == stem[-1:]:
        yield stem[:-1]  # planning
    if stem.endswith("y"):
        yield stem[:-1] + "ie"  # lying
    if stem.endswith("i"):
        yield stem[:-1] + "y"  # tried


def _is_participle(word: str) -> bool:
    suffix = "ing" if word.endswith("ing") else "ed" if word.endswith("ed") else ""
    if not suffix or word in _NO_VERBS or word.endswith("bred"):
        return False
    return len(word) > len(suffix) + 2 or not BASE_FORMS.isdisjoint(_stems(word, suffix))


def starts_with_verb(text: str) -> bool:
    opening = _LIST_NUMBER.sub("", text[:_OPENING], count=1)
    first, following = (*lower_words(opening)[:2], "", "")[:2]
    word = first.split("'")[0]
    if word in _AUXILIARIES or first.endswith("n't"):
        return True
    if word in BASE_FORMS:
        names_thing = following == "of" and word not in _VERBS_WITH_OF
        return not names_thing and following not in _FINITE | _THIRD_PERSONS
    return word in _IRREGULAR or _is_participle(word)


def published_verb(tokens: Sequence[str]) -> bool:
    """About what the published part-of-speech tagger says of the first token; its weights are not bundled."""
    word = tokens[0].lower() if tokens else ""
    if word in _PUBLISHED_IMPERATIVES or word in _IRREGULAR or word in _AUXILIARIES - _MODALS:
        return True
    return word == "according" or _is_participle(word)
