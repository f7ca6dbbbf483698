/// The Mustache templates of the report. Texts in three braces are escaped before they come here.
enum ReportTemplates {
    static let page = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{{title}}</title>
        <style>
        {{{css}}}
        </style>
        </head>
        <body>
        {{#isFrontPage}}{{> front}}{{/isFrontPage}}
        <main>
        {{#studies}}{{> study}}{{/studies}}
        </main>
        <footer>
        <p>{{conditions}}</p>
        <p>Run it: <code>swift run -c release normalize study run --all --full --output DIR</code>. Results
        have the same bits on every instruction set and thread count.</p>
        </footer>
        </body>
        </html>

        """

    static let front = """
        <header id="top">
        <h1>{{title}}</h1>
        <p class="lead">Each study takes a claim that is commonly made about layer normalization, works out what
        must follow from it, and measures that on this package’s own kernels.</p>
        <p>A check counts only with its <em>mutant</em>: the same measurement on a version that was made wrong on
        purpose, which must fail. {{summary}}</p>
        </header>
        <nav class="cards" aria-label="Studies">
        {{#studies}}
        <article class="card">
        <p class="kicker"><a href="#{{name}}">{{number}} · {{title}}</a>
        <span class="badge {{verdictClass}}">{{verdictMark}} {{verdict}}</span></p>
        <p class="said">{{{claim}}}</p>
        <p class="truth">{{{truth}}}</p>
        {{#cover}}<a class="cover" href="#{{name}}" aria-label="{{number}}: read the study">{{{.}}}</a>{{/cover}}
        <p class="count {{^passes}}broken{{/passes}}">{{#passes}}✓{{/passes}}{{^passes}}✗{{/passes}} {{summary}}</p>
        </article>
        {{/studies}}
        </nav>

        """

    static let study = """
        <section class="study" id="{{name}}">
        <p class="kicker">{{number}} <span class="badge {{verdictClass}}">{{verdictMark}} {{verdict}}</span></p>
        <h2>{{title}}</h2>
        {{#failure}}<p class="failure" role="alert">This study ended with an error: {{.}}</p>{{/failure}}
        <div class="sides">
        <div class="side"><h3>What people say</h3><p>{{{claim}}}</p></div>
        <div class="side true"><h3>What is true</h3><p>{{{truth}}}</p></div>
        </div>
        {{#notMeasured}}<p class="unmeasured">Not measured in this quick run, only with <code>--full</code>:
        {{{.}}}.</p>{{/notMeasured}}
        {{^empty(corrections)}}
        <h3>Where the story needs correction</h3>
        {{#corrections}}<p>{{{.}}}</p>{{/corrections}}
        {{/empty(corrections)}}
        <h3>Question</h3>
        <p>{{{question}}}</p>
        <h3>Prediction</h3>
        <ul>{{#prediction}}<li>{{{.}}}</li>{{/prediction}}</ul>
        <h3>Method</h3>
        <p>{{{method}}}</p>
        {{#figures}}
        <figure {{#isSingle}}class="single"{{/isSingle}}>
        <div class="panels">{{#panels}}{{{.}}}{{/panels}}</div>
        <figcaption>{{{caption}}}</figcaption>
        </figure>
        {{/figures}}
        {{#tables}}{{> table}}{{/tables}}
        {{^empty(checks)}}
        <h3>Checks: {{summary}}</h3>
        <p class="grades">exact: an identity, up to rounding; law: a closed form in expectation; effect: an outcome of
        training. The mutant was measured in the same way and must not meet what is required.</p>
        <ul class="checks">
        {{#checks}}{{> check}}{{/checks}}
        </ul>
        {{/empty(checks)}}
        {{^empty(tools)}}
        <h3>On your own data</h3>
        <ul class="tools">{{#tools}}<li>{{{code}}}<span>{{{meaning}}}</span></li>{{/tools}}</ul>
        {{/empty(tools)}}
        {{^empty(sources)}}
        <h3>Sources</h3>
        <ul>{{#sources}}<li>{{{.}}}</li>{{/sources}}</ul>
        {{/empty(sources)}}
        <h3>Run</h3>
        <dl class="run">
        <div><dt>parameters</dt><dd>{{#parameters}}<span class="parameter">{{{.}}}</span> {{/parameters}}</dd></div>
        <div><dt>seeds</dt><dd>{{seeds}}</dd></div>
        <div><dt>time</dt><dd>{{time}}</dd></div>
        <div><dt>again</dt><dd><code>{{command}}</code></dd></div>
        </dl>
        {{#isFrontPage}}<p class="back"><a href="#top">All studies</a></p>{{/isFrontPage}}
        </section>

        """

    static let check = """
        <li class="check {{^passes}}broken{{/passes}}">
        <span class="mark" role="img" aria-label="{{#passes}}passes{{/passes}}{{^passes}}fails{{/passes}}">\
        {{#passes}}✓{{/passes}}{{^passes}}✗{{/passes}}</span>
        <div>
        <p><span class="grade">{{grade}}</span> {{{claim}}}</p>
        <dl>
        <div><dt>measured</dt><dd>{{observed}}</dd></div>
        <div><dt>required</dt><dd>{{gate}}</dd></div>
        <div><dt>mutant</dt><dd>{{mutant}} <span class="change">{{{change}}}\
        {{^mutantFails}}; <strong>it passes, so this check shows nothing</strong>{{/mutantFails}}</span></dd></div>
        </dl>
        </div>
        </li>

        """

    static let table = """
        <div class="table" role="region" aria-label="{{title}}" tabindex="0">
        <table>
        <caption>{{title}}</caption>
        <thead><tr>{{#columns}}<th scope="col">{{.}}</th>{{/columns}}</tr></thead>
        <tbody>
        {{#rows}}<tr>{{#.}}<td>{{.}}</td>{{/.}}</tr>
        {{/rows}}
        </tbody>
        </table>
        </div>

        """
}
