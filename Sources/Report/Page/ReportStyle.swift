/// The page's style.
enum ReportStyle {
  static let text = #"""
    :root { color-scheme: light dark; --back: #fff; --text: #1d1d1d; --soft: #5c5c5c;
      --line: #d9d9d9; --head: #f2f4f6; --link: #0a58a8; --bad: #a3200d; --good: #0b6b3a;
      --note: #fff6d6; }
    @media (prefers-color-scheme: dark) { :root { --back: #1b1b1b; --text: #e4e4e4;
      --soft: #a5a5a5; --line: #3c3c3c; --head: #262a2e; --link: #7fb8f2; --bad: #ff9380;
      --good: #6fd39c; --note: #3b3418; } }
    * { box-sizing: border-box; }
    html { scroll-padding-top: 1rem; }
    body { margin: 0 auto; padding: 0 1rem 3rem; max-width: 78rem; background: var(--back);
      color: var(--text); font: 15px/1.45 system-ui, -apple-system, "Segoe UI", sans-serif; }
    h1 { font-size: 1.5rem; margin: 1rem 0 .5rem; overflow-wrap: anywhere; }
    h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
    h3 { font-size: 1.05rem; margin: 1.3rem 0 .4rem; overflow-wrap: anywhere; }
    h4 { font-size: .95rem; margin: .8rem 0 .3rem; overflow-wrap: anywhere; }
    a { color: var(--link); }
    .skip { position: absolute; left: -99rem; }
    .skip:focus { left: 1rem; top: .5rem; background: var(--back); padding: .3rem; }
    nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; padding: 0;
      margin: 0; }
    dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
    dl div { display: contents; }
    dt { color: var(--soft); }
    dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
    li, p { overflow-wrap: anywhere; max-width: 62rem; }
    .scroll { overflow-x: auto; margin: .5rem 0 1rem; max-height: 34rem; overflow-y: auto; }
    #summary .scroll { max-height: none; }
    table { border-collapse: collapse; font-size: .87rem; }
    caption { text-align: left; color: var(--soft); padding: .2rem 0; }
    th, td { padding: .2rem .7rem .2rem 0; text-align: left; font-weight: normal;
      vertical-align: top; border-bottom: 1px solid var(--line); max-width: 34rem;
      overflow-wrap: break-word; }
    tbody th { min-width: 8rem; }
    td:not(.n):last-child { min-width: 12rem; }
    thead th { font-weight: 600; background: var(--back); position: sticky; top: 0;
      white-space: nowrap; }
    th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
    .long { max-height: 9rem; overflow: auto; display: block; }
    .primary { font-weight: 600; }
    .bad { color: var(--bad); }
    .good { color: var(--good); font-weight: 600; }
    .changed { font-weight: 600; }
    .note { background: var(--note); padding: .4rem .6rem; }
    .findings li { margin-bottom: .4rem; }
    .findings b { display: block; }
    .findings code { display: block; color: var(--soft); }
    .findings .critical b, .findings .warning b { color: var(--bad); }
    code { font-size: .87rem; overflow-wrap: anywhere; }
    details { margin: .3rem 0; }
    summary { cursor: pointer; color: var(--link); }
    figure { margin: .6rem 0 1.4rem; break-inside: avoid; }
    figure h4 { display: flex; align-items: baseline; gap: .6rem; }
    figure > canvas { display: block; width: 100%; touch-action: pan-y; }
    canvas:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
    figcaption p { margin: .2rem 0; color: var(--soft); font-size: .87rem; }
    .legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-size: .84rem;
      min-height: 1.5em; margin-left: 74px; }
    .legend span { display: inline-flex; align-items: center; gap: .35rem; max-width: 100%; }
    .legend bdi { overflow-wrap: anywhere; max-width: 40rem; max-height: 3em; overflow: hidden; }
    .legend b { font-variant-numeric: tabular-nums; font-weight: 600; min-width: 4.5em; }
    .swatch { width: 26px; height: 8px; flex: none; }
    .bar { display: flex; flex-wrap: wrap; align-items: flex-start; gap: .4rem .5rem;
      margin: .5rem 0; }
    .search { position: relative; }
    input, button { font: inherit; color: inherit; background: var(--back);
      border: 1px solid var(--line); border-radius: 3px; padding: .15rem .5rem; }
    input[type=search] { width: min(22rem, 80vw); }
    button { cursor: pointer; background: var(--head); }
    thead button { background: none; border: 0; padding: 0; font-weight: 600; }
    [aria-sort=ascending] button::after { content: " ↑"; }
    [aria-sort=descending] button::after { content: " ↓"; }
    figure h4 button { font-size: .75rem; }
    .count { color: var(--soft); margin-left: .4rem; font-size: .87rem; }
    .found { position: absolute; z-index: 3; margin: 0; padding: 0; list-style: none;
      background: var(--back); max-height: 20rem; overflow: auto; width: min(34rem, 92vw);
      box-shadow: 0 2px 8px #0005; }
    .found:empty { display: none; }
    .found button { display: block; width: 100%; text-align: left; border: 0; border-radius: 0;
      background: none; overflow-wrap: anywhere; max-height: 6em; overflow: hidden; }
    .found button:hover, .found button:focus { background: var(--head); }
    .live { position: absolute; left: -99rem; }
    .hint { color: var(--soft); font-size: .87rem; margin: .2rem 0; }
    output { color: var(--soft); font-variant-numeric: tabular-nums; align-self: center; }
    footer { color: var(--soft); font-size: .87rem; }
    @media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dt { margin-top: .3rem; }
      .legend { margin-left: 0; } }
    @media print { :root { --back: #fff; --text: #000; --soft: #444; --line: #bbb; --bad: #900;
      --good: #060; --link: #000; } nav, .bar, .hint, .skip, figure h4 button { display: none; }
      body { max-width: none; font-size: 10pt; } .scroll { max-height: none; overflow: visible; }
      thead th { position: static; } }

    """#
}
