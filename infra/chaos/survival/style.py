"""How a report looks: light and dark, on a screen and on paper."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --paper: #ffffff; --raised: #f5f6f8; --ink: #1a1d21; --quiet: #5a626c; --line: #d6dae0;
  --good: #1f7a4d; --good-wash: #dff1e7; --bad: #b4451f; --bad-wash: #fbe5dc;
  --plain: #6b7480; --plain-wash: #e8ebef; --mark: #3b4cb8; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #15181c; --raised: #1d2127; --ink: #e8eaed; --quiet: #a3abb5; --line: #343a42;
  --good: #5cc493; --good-wash: #17382a; --bad: #f0916b; --bad-wash: #452416;
  --plain: #97a1ad; --plain-wash: #2a3037; --mark: #9aa7ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem; text-wrap: balance; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .25rem; font-weight: 600; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
.quiet, figcaption { color: var(--quiet); font-size: .875rem; }
code { font: .875em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.verdict { border-left: .3rem solid var(--good); background: var(--good-wash);
  padding: .6rem .9rem; margin: 1.25rem 0; }
.verdict.failed { border-color: var(--bad); background: var(--bad-wash); }
.verdict ul { margin: .4rem 0 0; padding-left: 1.2rem; }
.tiles { display: grid; gap: .75rem; margin: 1rem 0 0; padding: 0;
  grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); }
.tiles div { background: var(--raised); padding: .6rem .8rem; }
.tiles dt { color: var(--quiet); font-size: .8125rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-bottom: 1px solid var(--line); }
thead th { font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; white-space: nowrap; }
td.sum { background: var(--good-wash); } td.none { background: var(--bad-wash); }
td.mixed { background: linear-gradient(90deg, var(--good-wash) 50%, var(--bad-wash) 50%); }
td.open { background: var(--plain-wash); } td.number { text-align: right; }
td.sum, td.none, td.number { white-space: nowrap; }
section { border-top: 1px solid var(--line); padding-bottom: .75rem; }
section figure { margin-bottom: .25rem; }
section h3 code { color: var(--quiet); font-weight: 400; }
details[open] { padding-bottom: 2rem; } a { color: var(--mark); }
summary { cursor: pointer; color: var(--quiet); font-size: .875rem; }
figure { margin: .5rem 0 1rem; overflow-x: auto; }
svg { display: block; width: 100%; min-width: 40rem; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--quiet); }
svg .on { fill: var(--paper); font-weight: 600; } svg .value { fill: var(--ink); }
.complete { fill: var(--good); } .abandoned { fill: var(--bad); } .mark { fill: var(--mark); }
.bar { fill: var(--mark); } .late { fill: var(--plain); }
.axis { stroke: var(--line); stroke-width: 1; }
.cross { stroke: var(--paper); stroke-width: 1.5; }
@media print { :root { --paper: #fff; --raised: #f5f6f8; --ink: #000; --quiet: #444;
    --line: #bbb; --good: #1f7a4d; --good-wash: #dff1e7; --bad: #b4451f; --bad-wash: #fbe5dc;
    --plain: #6b7480; --plain-wash: #e8ebef; --mark: #3b4cb8; }
  body { font-size: 11pt; } main { max-width: none; padding: 0; }
  svg { min-width: 0; } figure { overflow: visible; }
  figure, tr, .verdict { break-inside: avoid; } h2, h3 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
