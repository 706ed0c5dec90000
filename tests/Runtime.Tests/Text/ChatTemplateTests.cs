using System.Diagnostics;
using Retrieval.Runtime.Text;
using Xunit;

namespace Retrieval.Runtime.Tests.Text;

public sealed class ChatTemplateTests
{
    private static readonly ChatMessage[] Talk = [new("system", "s"), new("user", "u1"), new("assistant", "a1"), new("user", "u2")];

    [Theory]
    // Tags: line breaks after block tags go, blanks before them too, signs win.
    [InlineData("a\n  {% if true %}\n  b\n  {% endif %}\nc\n", "a\n  b\nc")]
    [InlineData("a  {% if true %}  b{% endif %}\n\nc", "a    b\nc")]
    [InlineData("a\n  {{ 1 }}\n b", "a\n  1\n b")]
    [InlineData("a \n {%- if true -%} \n b \n {%- endif -%} \n c", "abc")]
    [InlineData("x\n  {%+ if true +%}\ny{% endif %}", "x\n  \ny")]
    [InlineData("a\n  {# note #}\n b {#- x -#} c", "a\n bc")]
    [InlineData("{%- for m in messages -%}\n  {{- m.role }}\n{%- endfor -%}", "systemuserassistantuser")]
    [InlineData("{% raw %}{{ x }}{% if %}{% endraw %}\n.", "{{ x }}{% if %}.")]
    [InlineData("{{ '}}' }}{{ {'a': {'b': 1}}.a.b }}", "}}1")]
    // Loops.
    [InlineData("{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }};{% endfor %}",
        "104TrueFalse;213FalseFalse;322FalseFalse;431FalseTrue;")]
    [InlineData("{% for x in [] %}a{% else %}none{% endfor %}", "none")]
    [InlineData("{% for m in messages if m.role == 'user' %}{{ loop.length }}{{ m.content }}{% endfor %}", "2u12u2")]
    [InlineData("{% for x in range(9) %}{% if x == 1 %}{% continue %}{% endif %}{% if x > 3 %}{% break %}{% endif %}{{ x }}{% endfor %}", "023")]
    [InlineData("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }},{% endfor %}", "a=1,b=2,")]
    [InlineData("{% for x in [1, 2] %}{{ loop.cycle('p', 'q') }}{{ loop.previtem is defined }}{{ loop.nextitem }}{% endfor %}", "pFalse2qTrue")]
    // Names: a loop's own do not leave it, a namespace's do.
    [InlineData("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "231")]
    [InlineData("{% set n = namespace(x=1) %}{% for i in [1, 2] %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}", "4")]
    [InlineData("{% set t %}a{{ 1 }}\n{% endset %}[{{ t }}]", "[a1\n]")]
    [InlineData("{% set t | upper | trim %} ab {% endset %}[{{ t }}]", "[AB]")]
    [InlineData("{% set a, b = 1, 2 %}{{ b }}{{ a }}", "21")]
    [InlineData("{% macro f(x, y='d') %}<{{ x }}{{ y }}>{% endmacro %}{{ f(1) }}{{ f(1, y=2) }}{{ f('a') | length }}", "<1d><12>4")]
    // Operators.
    [InlineData("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 }} {{ 1 + 2 * 3 - 4 }} {{ 4 / 2 }}", "3 -4 2 3.5 8 3 2.0")]
    [InlineData("{{ 'a' ~ 1 ~ none ~ true ~ 1.5 ~ missing }}", "a1NoneTrue1.5")]
    [InlineData("{{ 'b' in 'abc' }}{{ 'x' not in ['x'] }}{{ 'a' in {'a': 1} }}{{ 1 < 2 <= 2 }}{{ not 1 == 2 and false or 'z' }}", "TrueFalseTrueTruez")]
    [InlineData("{{ 'y' if messages else 'n' }}{{ 'y' if missing }}|{{ ('a' 'b') * 2 }}", "y|abab")]
    [InlineData("{{ [1, 'a', none, {'k': true}] }}{{ (1, 2)[1] }}", "[1, 'a', None, {'k': True}]2")]
    [InlineData("{{ 'a\\\nb\\n\\u00e9\\q' ~ \"'\" }}|{{ (1 == 1) != (messages | length % 2 == 1) }}", "ab\né\\q'|True")]
    // Indexes and slices.
    [InlineData("{{ messages[0].role }}{{ messages[-1]['content'] }}{{ messages[9] is defined }}{{ 'abc'[1] }}{{ 'abc'[-1] }}", "systemu2Falsebc")]
    [InlineData("{% for m in messages[1:] %}{{ m.content }}{% endfor %}{{ 'abcdef'[::2] }}{{ 'abc'[::-1] }}{{ 'abc'[:-1] }}{{ 'abc'[5:] }}{{ 'a😀b'[1:] }}",
        "u1a1u2acecbaab😀b")]
    [InlineData("{% for m in messages[::-1] %}{{ m.content }}{% endfor %}{{ [1, 2, 3][-2:] }}", "u2a1u1s[2, 3]")]
    // Methods.
    [InlineData("{{ ' x\n'.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ '  a '.lstrip() }}|{{ 'a\n\n'.rstrip('\n') }}|", "x|a|a |a|")]
    [InlineData("{{ 'a-b-c'.split('-')[-1] }}{{ 'a-b-c'.split('-', 1) }}{{ ' a  b '.split() }}{{ 'a-b-c'.rsplit('-', 1)[0] }}", "c['a', 'b-c']['a', 'b']a-b")]
    [InlineData("{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith('x') }}{{ 'aXa'.replace('a', 'b') }}{{ 'aaa'.replace('a', 'b', 2) }}{{ 'ab'.upper() }}{{ 'ab c'.title() }}",
        "TrueFalsebXbbbaABAb C")]
    [InlineData("{{ messages[0].get('x', 'd') }}{{ messages[0].get('x') }}{{ ','.join(['a', 'b']) }}{{ messages[0].keys() | list }}", "dNonea,b['role', 'content']")]
    // Filters.
    [InlineData("{{ ' a ' | trim }}{{ [1, 2] | length }}{{ 'ab' | upper | lower }}{{ [1, 2] | join('-') }}{{ x | default('d') }}{{ '' | default('e', true) }}", "a2ab1-2de")]
    [InlineData("{{ messages | map(attribute='role') | join(',') }}|{{ messages | selectattr('role', 'equalto', 'user') | list | length }}|{{ messages | rejectattr('role', '==', 'user') | map(attribute='content') | list }}",
        "system,user,assistant,user|2|['s', 'a1']")]
    [InlineData("{{ [3, 1, 2] | sort }}{{ [1, 1, 2] | unique | list }}{{ [1, 2] | first }}{{ [1, 2] | last }}{{ ['a', 'b'] | map('upper') | list }}{{ [0, 1] | select | list }}{{ 'abc' | reverse }}",
        "[1, 2, 3][1, 2]12['A', 'B'][1]cba")]
    [InlineData("{{ '12' | int + 1 }}{{ 'x' | int }}{{ '1.5' | float }}{{ 3 | string ~ 'x' }}{{ -3 | abs }}{{ '<a>' | e }}{{ '<a>' | safe }}", "1301.53x3&lt;a&gt;<a>")]
    [InlineData("{{ {'b': 1, 'a': [1.0, 'x\"é\\n', none, true]} | tojson }}", "{\"b\": 1, \"a\": [1.0, \"x\\\"é\\n\", null, true]}")]
    [InlineData("{{ {'a': [1, {}], 'b': []} | tojson(indent=2) }}", "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}")]
    [InlineData("{{ 'a\nb\n\nc' | indent(2) }}{{ {'b': 1, 'a': 2} | dictsort }}{{ {'a': 1} | items | list }}", "a\n  b\n\n  c[['a', 2], ['b', 1]][['a', 1]]")]
    // Tests.
    [InlineData("{{ x is defined }}{{ none is none }}{{ 'a' is string }}{{ messages[0] is mapping }}{{ messages is iterable }}{{ messages is not string }}{{ 1 is number }}{{ 3 is odd }}{{ 4 is divisibleby 2 }}",
        "FalseTrueTrueTrueTrueTrueTrueTrueTrue")]
    [InlineData("{% if tools is not none and tools %}t{% elif add_generation_prompt %}g{% else %}e{% endif %}{{ tools is defined }}{{ false is false }}", "gTrueTrue")]
    [InlineData("{% generation %}\na{% endgeneration %}\nb", "ab")]
    [InlineData("{{ 1e }}", null)]
    public void Renders(string source, string? expected)
    {
        if (expected is null)
            Assert.Throws<InputException>(() => ChatTemplate.Parse(source).Render(Talk, true));
        else
            Assert.Equal(expected, ChatTemplate.Parse(source).Render(Talk, true));
    }

    [Theory]
    [InlineData("a\n{% include 'x' %}", "line 2", "'include'")]
    [InlineData("{{ 'a' | frobnicate }}", "line 1", "'frobnicate'")]
    [InlineData("{{ 'a' is frobnicated }}", "line 1", "'frobnicated'")]
    [InlineData("\n\n{{ 'a'.frobnicate() }}", "line 3", "'frobnicate'")]
    [InlineData("{{ missing.role }}", "line 1", "'missing'")]
    [InlineData("{{ 'a' + 1 }}", "line 1", "'+'")]
    [InlineData("{{ 1 // 0 }}", "line 1", "zero")]
    [InlineData("{% if x %}", "line 1", "'endif'")]
    [InlineData("{{ 'abc", "line 1", "closed")]
    [InlineData("{{ a ? b }}", "line 1", "'?'")]
    [InlineData("{{ [1, 2", "line 1", "closed")]
    [InlineData("{% set x.y = 1 %}", "line 1", "namespace")]
    [InlineData("{% break %}", "line 1", "'break'")]
    [InlineData("{{ raise_exception('Roles must alternate') }}", "refuses", "Roles must alternate")]
    [InlineData("{{ f(*x) }}", "line 1", "'*'")]
    public void Refuses_with_name_and_line(string source, params string[] parts)
    {
        InputException error = Assert.Throws<InputException>(() => ChatTemplate.Parse(source).Render(Talk, false));
        Assert.All(parts, part => Assert.Contains(part, error.Message));
    }

    [Theory]
    [InlineData("{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a %}{% endfor %}{% endfor %}")]
    [InlineData("{% set n = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}")]
    [InlineData("{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}")]
    [InlineData("{% set n = namespace(x=[1]) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}")]
    [InlineData("{% set n = namespace(x=[1], y=[1]) %}{% for i in range(9999) %}{% set n.x = [n.x] %}{% set n.y = [n.y] %}{% endfor %}{{ n.x == n.y }}")]
    [InlineData("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")]
    [InlineData("{{ 'a' * 99999999999 }}")]
    [InlineData("{{ 'aaaaaaaaaa' * 1000000 }}{{ ('a' * 9999999).replace('a', 'b' * 9999999) }}")]
    [InlineData("{% for i in range(100000) %}{{ 'a' * 10000 }}{% endfor %}")]
    [InlineData("{{ range(999999999) | length }}")]
    [InlineData("{{ ['a' * 60000000, 'a' * 60000000] | join }}")]
    [InlineData("{{ 9223372036854775807 + 1 }}")]
    public void Bounds_hostile_templates(string source)
    {
        Stopwatch time = Stopwatch.StartNew();
        Assert.Throws<InputException>(() => ChatTemplate.Parse(source).Render(Talk, false));
        Assert.True(time.Elapsed < TimeSpan.FromSeconds(20), $"took {time.Elapsed}");
    }

    [Theory]
    [InlineData("(", ")")]
    [InlineData("[", "]")]
    [InlineData("-", "")]
    [InlineData("not ", "")]
    [InlineData("{'a': ", "}")]
    public void Bounds_nesting_of_expressions(string open, string close)
    {
        string source = "{{ " + string.Concat(Enumerable.Repeat(open, 50_000)) + "1" + string.Concat(Enumerable.Repeat(close, 50_000)) + " }}";
        Assert.Throws<InputException>(() => ChatTemplate.Parse(source).Render(Talk, false));
    }

    [Fact]
    public void Bounds_nesting_of_statements_and_chains()
    {
        Assert.Throws<InputException>(() => ChatTemplate.Parse(string.Concat(Enumerable.Repeat("{% if 1 %}", 50_000))));
        string chain = "{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 50_000)) + " }}";
        Assert.Throws<InputException>(() => ChatTemplate.Parse(chain).Render(Talk, false));
    }

    [Fact]
    public void Long_messages_fit_in_the_budget()
    {
        string content = string.Concat(Enumerable.Repeat("long text ", 1_000_000));
        string text = ChatTemplate.Parse("{% for m in messages %}{{ '<' + m.role + '>' + m.content | trim + '</s>' }}{% endfor %}").Render([new("user", content)], false);
        Assert.Equal("<user>" + content.TrimEnd() + "</s>", text);
    }

    [Fact]
    public void Date_comes_from_the_given_clock()
    {
        ChatTemplate template = ChatTemplate.Parse("{{ strftime_now('%d %b %Y %H:%M:%S|%-d %B %A %j %%') }}", new Clock());
        Assert.Equal("02 Jan 2026 03:04:05|2 January Friday 002 %", template.Render(Talk, false));
    }

    private sealed class Clock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;
    }
}
