extension ReportTemplates {
    /// The look of the page; colours of figures come from `FigureStyle`, whose properties it shares.
    static let style = """

        :root {--good: #1a7f37; --mixed: #8a5d00; --bad: #b42318; --wash: #f5f7f9; --link: #0b5fa5;
        color-scheme: light dark;}
        @media (prefers-color-scheme: dark) {
        :root {--good: #4ac26b; --mixed: #e0b040; --bad: #ff8178; --wash: #1c2128; --link: #79bcf5;}
        }
        * {box-sizing: border-box;}
        html {-webkit-text-size-adjust: 100%; scroll-padding-top: 1rem;}
        body {margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.25rem 4rem; background: var(--plot-paper);
        color: var(--plot-ink); font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", sans-serif;
        overflow-wrap: break-word;}
        h1 {font-size: clamp(1.7rem, 4.5vw, 2.5rem); line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 1rem;
        max-width: 24ch; text-wrap: balance;}
        h2 {font-size: clamp(1.4rem, 3.5vw, 1.9rem); line-height: 1.2; letter-spacing: -0.01em; margin: 0.2rem 0 1.2rem;
        max-width: 32ch; text-wrap: balance;}
        h3 {font-size: 1rem; margin: 2.2rem 0 0.4rem;}
        p, ul, dl {margin: 0 0 0.8rem;}
        header > p, .study > p, .study > ul:not(.checks), footer p {max-width: 70ch;}
        header > p {color: var(--plot-quiet);}
        header > p.lead {font-size: 1.15rem; color: var(--plot-ink);}
        ul {padding-left: 1.15rem;}
        li {margin: 0.3rem 0;}
        a {color: var(--link); text-underline-offset: 0.15em;}
        code {font: 0.9em ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--wash);
        padding: 0.1em 0.3em; border-radius: 4px;}
        .kicker {display: flex; flex-wrap: wrap; gap: 0.3rem 0.7rem; align-items: baseline;
        margin: 0; font-weight: 600;}
        .kicker a {color: inherit; text-decoration: none;}
        .kicker a:hover {text-decoration: underline;}
        .badge {font-size: 0.8rem; font-weight: 600; white-space: nowrap; padding: 0.05rem 0.55rem;
        border: 1px solid currentColor; border-radius: 1rem;}
        .holds {color: var(--good);} .partly {color: var(--mixed);} .fails {color: var(--bad);}
        .cards {display: grid; gap: 1.25rem; margin: 2rem 0 1rem;
        grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr));}
        .card {border: 1px solid var(--plot-rule); border-radius: 10px; padding: 1.1rem 1.2rem; display: flex;
        flex-direction: column;}
        .card .kicker {justify-content: space-between;}
        .card .said {color: var(--plot-quiet); margin: 0.7rem 0 0.4rem; font-size: 0.92rem; font-style: italic;}
        .card .truth {margin: 0 0 0.9rem;}
        .cover {display: block; text-decoration: none;}
        .count {font-size: 0.85rem; color: var(--plot-quiet); margin: auto 0 0; padding-top: 0.7rem;}
        .count.broken, .failure {color: var(--bad); font-weight: 600;}
        .study {border-top: 1px solid var(--plot-rule); margin-top: 3.5rem; padding-top: 2.2rem;}
        header + main .study:first-child, main:first-child .study:first-child {
        margin-top: 0; border: 0; padding-top: 0;}
        .sides {display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));}
        .side {background: var(--wash); border-radius: 10px; padding: 1rem 1.2rem;}
        .side h3 {margin: 0 0 0.3rem; font-size: 0.9rem; color: var(--plot-quiet);}
        .side p {margin: 0;}
        .unmeasured {margin-top: 0.8rem; font-size: 0.92rem; color: var(--plot-quiet);}
        .side.true {font-weight: 500;}
        figure {margin: 2rem 0;}
        figure.single .panels {grid-template-columns: minmax(0, 34rem);}
        .panels {display: grid; gap: 1.6rem 2rem;
        grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 30rem));}
        .plot {display: block; width: 100%; height: auto; overflow: visible;}
        figcaption {color: var(--plot-quiet); font-size: 0.9rem; margin-top: 0.8rem; max-width: 75ch;}
        .table {overflow-x: auto; margin: 1.8rem 0; max-width: 100%;}
        table {border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums;}
        caption {text-align: left; font-weight: 600; padding-bottom: 0.5rem; min-width: 16rem;
        max-width: calc(100vw - 2rem);}
        th, td {text-align: left; padding: 0.35rem 1.2rem 0.35rem 0; vertical-align: top; overflow-wrap: normal;}
        th {border-bottom: 1px solid var(--plot-quiet); font-weight: 600; vertical-align: bottom;}
        td {border-bottom: 1px solid var(--plot-rule);}
        td + td {white-space: nowrap;}
        .checks {list-style: none; padding: 0; border-top: 1px solid var(--plot-rule);}
        .check {display: grid; grid-template-columns: 1.6rem 1fr; margin: 0; padding: 0.8rem 0;
        border-bottom: 1px solid var(--plot-rule); break-inside: avoid;}
        .check p {margin: 0 0 0.35rem; max-width: 80ch;}
        .grades {color: var(--plot-quiet); font-size: 0.88rem;}
        .mark {color: var(--good); font-weight: 700;}
        .broken .mark, .broken strong {color: var(--bad);}
        .grade {font-size: 0.8rem; color: var(--plot-quiet); border: 1px solid var(--plot-rule); border-radius: 4px;
        padding: 0 0.35rem; margin-right: 0.3rem; white-space: nowrap;}
        .check dl {display: grid; grid-template-columns: minmax(8rem, 12rem) minmax(8rem, 14rem) 1fr;
        gap: 0.1rem 1.5rem; margin: 0; font-size: 0.88rem;}
        dt {color: var(--plot-quiet); font-size: 0.8rem;}
        dd {margin: 0; font-variant-numeric: tabular-nums;}
        .change {color: var(--plot-quiet);}
        .tools {list-style: none; padding: 0;}
        .tools li {margin: 0 0 0.9rem;}
        .tools code {display: block; overflow-x: auto; white-space: pre; padding: 0.5rem 0.8rem;}
        .tools span {display: block; font-size: 0.92rem; color: var(--plot-quiet); margin-top: 0.2rem;}
        .tools span:empty {display: none;}
        .run {font-size: 0.9rem;}
        .run div {display: grid; grid-template-columns: 6.5rem 1fr; padding: 0.2rem 0;}
        .parameter:not(:last-child)::after {content: " ·"; color: var(--plot-quiet);}
        footer {border-top: 1px solid var(--plot-rule); margin-top: 3.5rem; padding-top: 1rem; font-size: 0.88rem;
        color: var(--plot-quiet);}
        @media (max-width: 40rem) {
        body {padding: 1.5rem 1rem 3rem;}
        .card {padding: 0.9rem;}
        .check dl {grid-template-columns: 1fr 1fr;}
        .check dl div:last-child {grid-column: 1 / -1;}
        .run div {grid-template-columns: 1fr;}
        }
        @media print {
        body {max-width: none; padding: 0; font-size: 10pt;}
        .study {break-before: page; border: 0; margin: 0; padding: 0;}
        .card, figure, .side {break-inside: avoid;}
        .back {display: none;}
        .table {overflow: visible;}
        a {color: inherit;}
        }
        """
}
