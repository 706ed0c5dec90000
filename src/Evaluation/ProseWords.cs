namespace Retrieval.Evaluation;

/// <summary>Vocabulary and grammar of <see cref="Prose"/>. Slots in brackets are replaced by one of their expansions.</summary>
internal static class ProseWords
{
    /// <summary>None of these names occurs in a needle.</summary>
    public static readonly Person[] People =
    [
        .. new[]
        {
            "Mr. Aldous", "the vicar", "old Tobit", "Captain Trelawney", "the miller", "young Perrin", "Dr. Messenger", "the schoolmaster",
            "Mr. Bagshaw", "the ferryman", "Sir Lionel", "the blacksmith", "his lordship", "Mr. Crimple", "the postmaster", "Squire Huntley",
            "Mr. Deverell", "the carpenter", "Colonel Maddox", "the apothecary",
        }.Select(name => new Person(name, "he", "him", "his")),
        .. new[]
        {
            "Mrs. Penrose", "Miss Tabitha", "the widow Larkin", "Lady Caroline", "the governess", "Mrs. Gathercole", "Miss Bellamy",
            "the innkeeper's wife", "the cook", "Mrs. Ormerod", "Miss Honoria", "the dressmaker", "Aunt Philippa", "the baker's daughter",
            "Mrs. Tredwell", "Miss Winterbourne",
        }.Select(name => new Person(name, "she", "her", "her")),
    ];

    /// <summary>First sentences of paragraphs: time, place and weather.</summary>
    public static readonly string[] Openings =
    [
        "[time], when [weather], [hero] [went] [place].",
        "[time] [hero] [went] [place], and [other] [followed].",
        "It was [a mood] [daypart], and [weather]; [hero] had [resolved] to [errand].",
        "[hero] had not [seen] [other] since [season], and [thought] of it with [feeling].",
        "There was [a quality] [thing] in [room] of [house], and [hero] never passed it without [feeling].",
        "Nobody in the village could say why [hero] [went] [place] [often].",
        "[weather], and [place] there was nothing to be heard but [sound].",
        "When [hero] came [place], [daypart] was already [passing].",
        "[house] stood [position], with [a quality] [thing] before it and [a quality] [thing] behind.",
        "The news that [other] meant to [errand] reached [hero] [time].",
    ];

    public static readonly string[] Sentences =
    [
        "[he] [did] [a quality] [thing], and [did] it [manner].",
        "[hero] [said] that [opinion].",
        "\"[speech],\" [said] [other], \"[speech].\"",
        "\"[question]?\" [asked] [hero] [manner].",
        "[other] [looked], but made no answer.",
        "[he] had [a quality] [part] and [a quality] [part], and [people] [thought] the better of [him] for it.",
        "The [thing] was [quality] and the [thing] was [quality], as [people] had always [said].",
        "[weather], and [sound] came [manner] from [position].",
        "For [span] neither of them spoke; then [hero] [did] the [thing] and [looked].",
        "[he] [thought] of [house], of the [thing] in [room], and of all that [other] had [said].",
        "It is [quality] to be [state], and [hero] was [state] [often].",
        "If [other] had [errandpast], [he] [thought], [opinion].",
        "[people] who [errandpast] [often] are seldom [state] for long.",
        "[he] walked [place] [manner], and came back with [a quality] [thing].",
        "[other], who was [state], [did] the [thing] and [went] [place].",
        "There had been [a quality] [thing] [position], and now there was only [a quality] [thing].",
        "[hero] took up the [thing], [looked], and put it down again [manner].",
        "Not even [other] could have [said] whether [opinion].",
        "[time] [he] would [errand]; [time] [he] would be [state] again.",
        "Yet [opinion], and [hero] knew it.",
        "[feeling] is [a quality] companion, and [feeling] is [a quality] one too, [he] [thought].",
        "[he] [said] so to [other], and [other] [said] so to [people].",
        "Between [house] and the [thing] [position] lay [span] of [quality] road.",
        "[sound] and [sound] filled [room] till [daypart] was [passing].",
        "As for [other], [people] [said] that [opinion], though [people] [said] otherwise.",
        "\"[speech]!\" cried [other], and [did] the [thing] [manner].",
        "[he] could [errand], or [he] could go [place]; in the end [he] did neither.",
        "What [hero] wanted was [a quality] [thing] and [span] of quiet.",
        "[other] smiled with [feeling] and [did] [his] [thing].",
        "So [daypart] wore on, and [weather].",
    ];

    public static readonly Dictionary<string, string[]> Slots = new(StringComparer.Ordinal)
    {
        ["time"] = List("""
            early in the morning|towards evening|after the service|before breakfast|late that night|on the following day|a week later
            in the first days of spring|when the harvest was in|at the turn of the year|one wet afternoon|not long after dinner|that same summer
            on the eve of the fair|shortly before dusk|in the last week of the holidays|as soon as the roads were dry|while the others slept
            """),
        ["season"] = List("the spring|the summer|the autumn|the winter|the great frost|the long rains|the hay harvest|the year of the flood|the lambing"),
        ["daypart"] = List("the morning|the forenoon|the afternoon|the evening|the night|the day"),
        ["passing"] = List("far gone|nearly over|drawing to its close|half spent|almost done|well advanced"),
        ["weather"] = List("""
            the rain fell without a pause|the wind had gone round to the north|a thin mist lay over the fields|the sun stood low above the hills
            the snow was melting on the roofs|the sky was as clear as glass|heavy clouds were gathering in the west|the frost had not yet left the ground
            a warm wind blew from the sea|the leaves were beginning to turn|the moon had risen over the marsh|the heat lay upon the orchard
            not a breath of air was stirring|the first swifts were crying about the tower|the river had risen in the night|the dew was heavy on the grass
            """),
        ["mood"] = List("quiet|sullen|bright|mild|bitter|pleasant|dreary|restless|golden|grey|silent|stormy|gentle|raw"),
        ["went"] = List("walked|rode|hurried|wandered|drove|set out|turned|strolled|made the journey|was obliged to go"),
        ["place"] = List("""
            down to the river|along the old road|across the common|up to the church|into the town|through the beech wood|over the stone bridge
            to the edge of the marsh|round by the mill|towards the harbour|past the empty cottages|into the walled garden|up the narrow stairs
            out upon the terrace|behind the stables|down the long avenue|to the market square|beyond the last farm|along the cliff
            """),
        ["followed"] = List("followed at a distance|came after in silence|would not be left behind|watched from the window|stayed at home|asked no questions"),
        ["resolved"] = List("resolved|promised|decided|agreed|been persuaded|been asked|made up [his] mind|determined"),
        ["errand"] = List("""
            visit the almshouse|speak to the steward|mend the garden wall|write to the bishop|sell the grey mare|read the whole of the letter
            put the library in order|look into the matter of the lease|call upon the new tenants|return the borrowed umbrella|have the well cleaned
            learn to play upon the organ|plant a row of limes|settle the dispute about the footpath|count the linen|find the missing spectacles
            sit up with the sick child|inquire after the price of oats|finish the drawing of the abbey|make peace between the brothers
            """),
        ["errandpast"] = List("""
            visited the almshouse|spoken to the steward|mended the wall|written to the bishop|sold the mare|read the letter|put the books in order
            looked into the matter|called upon the tenants|returned the umbrella|cleaned the well|planted the limes|settled the dispute
            counted the linen|found the spectacles|sat up all night|asked the price of oats|finished the drawing|made peace in time
            """),
        ["seen"] = List("seen|spoken to|written to|forgiven|thanked|visited|dined with|thought of|heard from"),
        ["thought"] = List("thought|believed|supposed|considered|imagined|judged"),
        ["feeling"] = List("""
            regret|pride|a kind of wonder|pleasure|impatience|tenderness|some alarm|gratitude|melancholy|curiosity|a secret joy|remorse
            great composure|resentment|hope|an odd sort of pity|relief|a sinking heart|good humour|suspicion
            """),
        ["quality"] = List("""
            faded|handsome|crooked|narrow|splendid|plain|curious|heavy|solitary|ancient|neat|broken|noble|dusty|graceful|simple|costly|shabby|solemn
            delicate|rough|hollow|cheerful|enormous|little|worn|polished|weathered|forgotten|honest|painted|slender|gloomy|patient|stubborn|uncommon
            respectable|unlucky|tolerable|elegant|doubtful|useful|lonely|remarkable
            """),
        ["thing"] = List("""
            clock|table|letter|lantern|gate|mirror|portrait|basket|ledger|candle|teapot|chair|ladder|carriage|trunk|fountain|hedge|bell|staircase
            shawl|kettle|almanack|barometer|bench|map|curtain|walking stick|wheelbarrow|sundial|birdcage|desk|inkstand|bonnet|fiddle|anchor|sermon
            telescope|garden door|fireplace|rowing boat|snuffbox|prayer book|bookcase|oak chest|saddle|weathercock|hat|tapestry
            """),
        ["room"] = List("the hall|the parlour|the kitchen|the library|the attic|the dining room|the north bedroom|the passage|the study|the nursery|the cellar|the long gallery"),
        ["house"] = List("""
            the parsonage|Ravenscroft Hall|the old mill|Thistledown Farm|the inn|Marshgate House|the toll house|Combe Abbey|the lighthouse|the manor
            Hollybrook Cottage|the workhouse|the corn exchange|Pennywell Grange|the school
            """),
        ["position"] = List("""
            at the top of the hill|behind the churchyard|by the water|beyond the orchard|under the elms|at the corner of the lane|close to the shore
            among the fir trees|next to the forge|on the far side of the green|at the bottom of the garden|above the quarry
            """),
        ["sound"] = List("""
            the ticking of the clock|the crying of gulls|the creak of the mill wheel|the rattle of a distant cart|the laughter of children|the bark of a dog
            the dripping of the eaves|a slow step overhead|the murmur of the stream|the tolling of the bell|the rustle of silk|a burst of music
            the sighing of the wind|the stroke of an axe|the lowing of cattle
            """),
        ["did"] = List("admired|mended|carried|examined|described|moved|polished|borrowed|mislaid|drew|praised|covered|lifted|lost|found|sold|repaired|dusted"),
        ["manner"] = List("""
            with great care|without a word|in haste|as if in a dream|very slowly|with unusual warmth|to everyone's surprise|in the old way|rather coldly
            with both hands|after some hesitation|without looking round|in a low voice|for the second time|as politely as possible|with a sigh
            """),
        ["often"] = List("every week|now and then|so often|on Sundays|in all weathers|whenever it rained|more than anyone knew|once in a while|year after year"),
        ["said"] = List("said|declared|remarked|maintained|observed|repeated|admitted"),
        ["asked"] = List("asked|inquired|demanded|wondered"),
        ["looked"] = List("""
            looked at the fire|looked out of the window|turned pale|shook [his] head|gazed at the ceiling|blushed a little|frowned|bowed stiffly
            glanced towards the door|leaned upon the gate|folded [his] hands|stood quite still
            """),
        ["part"] = List("voice|manner|coat|walk|smile|temper|memory|laugh|forehead|style of speaking|way with horses|sense of duty"),
        ["people"] = List("the neighbours|the farmers|the old women|the servants|strangers|the children|the curate's friends|sensible persons|the fishermen|most of us|the parish"),
        ["span"] = List("an hour|a minute or two|half a day|several weeks|a long while|the space of a breath|a whole evening|many miles|a quarter of a mile|three summers"),
        ["state"] = List("""
            alone|content|in debt|out of temper|at peace|tired of company|of good courage|cheerful|mistaken|in love|ready to forgive|anxious|in high spirits
            ashamed|obstinate|well understood|sure of a welcome|without a friend|late
            """),
        ["opinion"] = List("""
            the [thing] would outlast them all|[people] were always in the right|no one had any business to [errand]|the road to [house] was no longer safe
            a [mood] [season2] makes a good harvest|[house] had been sold too cheaply|it would have been wiser to [errand]|[people] had forgotten the truth of it
            the [thing] belonged to another branch of the family|there was more sense in [a quality] [thing] than in [a quality] speech|time would mend it
            nothing good had ever come [place]|the best of the story was yet to be told|[feeling] had the better of reason|a promise is a promise
            """),
        ["season2"] = List("spring|autumn|winter|summer|April day|Christmas"),
        ["speech"] = List("""
            you must not think of going [place]|I never saw such [a quality] [thing] in my life|we shall all be [state] before long|it is only [sound]
            I mean to [errand]|there is [a quality] [thing] in [room]|let us go [place]|I have told [people] as much|you are too [quality] for me
            nobody can [errand] and be [state] as well|I leave it to [people]|that is what [people] say|my heart is full of [feeling]
            the [thing] has been moved again|I remember it [manner2]|we were [state] in those days|you may keep the [thing]
            """),
        ["manner2"] = List("very well|as if it were yesterday|better than you do|only too clearly|with pleasure"),
        ["question"] = List("""
            who has moved the [thing]|shall we go [place]|did [people] really say so|is it true about [house]|what is to become of the [thing]
            have you never been [state]|why should anyone [errand]|do you hear [sound]|where did you find such [a quality] [thing]|are you [state]
            """),
    };

    /// <summary>Splits at bars and line ends.</summary>
    private static string[] List(string text) => text.Split(['|', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
