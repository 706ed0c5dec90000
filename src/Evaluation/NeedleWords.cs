namespace Retrieval.Evaluation;

/// <summary>
/// Words that needles are made of. They are those that the embedded model was trained to copy (its train.py lists them);
/// other models do not care.
/// </summary>
internal static class NeedleWords
{
    public static readonly string[] FirstNames = Words("""
        Maren Alice Edwin Clara Tobias Helen Oscar Ruth Victor Nora Felix Ingrid Hugo Lydia Simon Greta Martin Esther Arthur
        Beatrice Conrad Daphne Elias Flora Gideon Hannah Isaac Jenny Kaspar Leonora Magnus Nadia Oliver Petra Quentin Rosalind
        Stefan Tamara Ursula Vincent Wanda Xavier Yvonne Zachary Agnes Bernard Cecilia Dominic Edith Frederick Gloria Harold
        Irene Jasper Katherine Laurence Miriam Nathan Ophelia Patrick Rachel Samuel Theresa Ulric Vera Walter Adela Bruno Cora
        Dorian Eloise Fergus Gwen Henrik Iris Julian Keira Lucas Mabel Nigel Olga Philip Robin Sylvia Thomas Una Valentin
        Winifred Amos Bella Cedric Dinah Ewan Freya Gregor Hilda Ivan Joan Kurt Lena Milo Nina Otto Paula Rupert Sarah Trevor
        Viola Wesley Anita Boris Celeste Derek
        """);

    public static readonly string[] LastNames = Words("""
        Vale Harper Quill Brandt Ashford Lindqvist Moreau Castell Draper Ellison Fenwick Garner Holloway Ibsen Jarvis Keller
        Lambert Mercer Norwood Ostrander Pemberton Quigley Radcliffe Sinclair Thornton Underhill Vance Whitaker Yardley Zeller
        Abbott Barlow Carver Dalton Easton Farrow Gable Hastings Ingram Jennings Kirby Langley Marlow Nash Oakley Porter Quincy
        Rowland Stanton Tilney Upton Vickers Warden Yates Ainsley Bishop Cobb Darrow Emerson Finch Gray Hart Irving Joyce Knox
        Lowell Munro Nolan Orchard Pike Reeves Shaw Tate Usher Vega Wells York Archer Beck Cole Dunn Ellis Frost Grant Hale Ives
        Judd Kerr Lane Moss Noble Oswald Pratt Quayle Ross Stone Tyler Ulman Voss Ward Young Adler Bloom Crane Doyle
        """);

    /// <summary>What a number can be: the kinds of "The {noun} for {person} is {number}."</summary>
    public static readonly string[] Nouns =
    [
        "access code", "locker number", "phone extension", "account number", "door code", "ticket number", "special magic number",
        "room number", "serial number", "parcel number", "registration number", "badge number", "pin code", "order number",
        "membership number", "gate code", "case number", "vault code",
    ];

    /// <summary>What a person can like best, with answers.</summary>
    public static readonly (string Thing, string[] Answers)[] Favourites =
    [
        ("fruit", Words("apple pear quince plum cherry fig mango melon peach grape lemon orange apricot banana papaya")),
        ("colour", Words("red blue green violet amber crimson teal ivory scarlet indigo silver golden maroon")),
        ("city", Words("Lisbon Vienna Oslo Prague Dublin Madrid Athens Cairo Geneva Warsaw Turin Bergen Seville Krakow")),
        ("animal", Words("otter badger falcon lynx heron fox wolf hare stoat beaver tiger camel donkey")),
        ("flower", Words("rose tulip iris daisy lily orchid poppy lilac jasmine primrose")),
        ("drink", Words("tea coffee cocoa cider milk lemonade wine water sherry")),
        ("bird", Words("robin raven swallow thrush finch owl crane magpie wren lark")),
        ("instrument", Words("violin cello flute oboe harp piano trumpet guitar organ lute")),
        ("game", Words("chess whist cricket draughts tennis croquet bowls backgammon")),
        ("month", Words("January February March April May June July August September October November December")),
    ];

    public static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
