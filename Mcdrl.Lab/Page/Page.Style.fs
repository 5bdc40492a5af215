namespace Mcdrl

/// How report pages look: in a window, on a phone, on paper, by day and by night.
[<RequireQualifiedAccess>]
module internal PageStyle =
    /// The whole style sheet. It loads nothing: the letters are those of the reader's system. Where a table or picture is wider than the window, a
    /// shadow at its edge says that there is more: it stays where the content, with covers for the shadows at its own ends, moves.
    let sheet =
        """
:root {
  color-scheme: light dark;
  --page: #ffffff; --panel: #f3f5f7; --line: #d5dae0; --text: #1b2127; --soft: #55606b;
  --first: #00828f; --second: #b86e00; --heat: 0, 130, 143; --alert: #b3261e;
  --shade: rgba(0, 0, 0, .3);
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --panel: #1e2328; --line: #39414a; --text: #e8ebee; --soft: #a3adb7;
    --first: #2fc6d6; --second: #f0a93a; --heat: 47, 198, 214; --alert: #ff8a80;
    --shade: rgba(255, 255, 255, .35);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .5rem 0 .75rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p, li { max-width: 44rem; }
.lead { font-size: 1.12rem; }
.notice { color: var(--soft); font-size: .9rem; }
figure { margin: 1.5rem 0; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 44rem; margin-top: .5rem; }
img { max-width: 100%; height: auto; display: block; }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .88em; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { font-weight: 600; }
tbody th { font-weight: 400; }
.wide, .scroll {
  overflow-x: auto;
  background:
    linear-gradient(to right, var(--page) 40%, transparent) left -1px top / 2.4rem 100% no-repeat local,
    linear-gradient(to left, var(--page) 40%, transparent) right -1px top / 2.4rem 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) left / .9rem 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) right / .9rem 100% no-repeat scroll;
}
.heat th, .heat td { padding: .25rem .45rem; text-align: center; border: 0; font-size: .88rem; }
.heat td { border: 2px solid var(--page); border-radius: .3rem; min-width: 3.2rem; }
.heat tbody th { text-align: left; } .heat tbody th, .heat td { white-space: nowrap; }
.better { font-weight: 700; }
.right::before { content: "✓ "; } .wrong::before { content: "✗ "; } .wrong { font-weight: 600; }
details { margin: .6rem 0; } summary { cursor: pointer; }
.scroll img { min-width: 52rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .8rem; margin: 1.4rem 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; }
.card h3 { margin: 0 0 .3rem; }
.card dl { margin: 0; display: grid; grid-template-columns: 1fr auto; }
.card dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600; }
.card p.verdict { color: var(--text); font-weight: 600; }
.card p { margin: .4rem 0 0; font-size: .85rem; color: var(--soft); }
.first { color: var(--first); } .second { color: var(--second); }
.key { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; list-style: none; padding: 0; margin: 0 0 .8rem; font-size: .9rem; }
.key svg { display: inline-block; width: 1.8rem; height: .8rem; vertical-align: baseline; margin-right: .4rem; }
.grid { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); }
.grid.two { grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
.grid.gallery { grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); }
.grid > div { break-inside: avoid; }
.grid p { margin: .25rem 0 0; font-size: .85rem; line-height: 1.35; }
.grid svg, .grid img { border-radius: .3rem; }
.contact { display: grid; grid-template-columns: auto repeat(var(--columns), minmax(0, 1fr)); gap: .3rem; align-items: center; }
.contact span { font-size: .85rem; text-align: center; overflow-wrap: anywhere; }
.contact img { width: 100%; border-radius: .25rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--text); font-size: 13px; }
svg .soft { fill: var(--soft); }
svg .bar.first { fill: var(--first); } svg .bar.second { fill: var(--second); }
svg .tick { stroke: var(--line); stroke-width: 1; }
svg .error { stroke: var(--text); stroke-width: 1.5; }
svg .node { fill: var(--panel); stroke: var(--soft); stroke-width: 1.2; }
svg .node.set { stroke: var(--alert); stroke-width: 2.2; }
svg .arrow { stroke: var(--text); stroke-width: 1.6; fill: none; }
svg .arrow.habit { stroke: var(--alert); stroke-dasharray: 5 4; }
svg .head { fill: var(--text); } svg .head.habit, svg .habit-text { fill: var(--alert); }
svg .halo { fill: none; stroke: #000; stroke-opacity: .65; stroke-width: 4.5; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
svg .mark { fill: none; stroke-width: 2.2; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
svg .mark.first { stroke: #00e5ff; } svg .mark.second { stroke: #ffb300; }
svg .mark.truth { stroke: #ffffff; stroke-width: 1.6; stroke-dasharray: 4 4; }
@media (max-width: 36rem) {
  h1 { font-size: 1.5rem; }
  th, td { padding: .35rem .4rem; }
  .grid { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .heat td { min-width: 2.1rem; } .heat th, .heat td { font-size: .76rem; padding: .2rem .15rem; }
  .heat thead th { vertical-align: bottom; }
  .heat thead th + th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
  .contact span { font-size: .58rem; } .contact { gap: .15rem; }
}
@media print {
  :root {
    --page: #ffffff; --panel: #ffffff; --line: #bbbbbb; --text: #000000; --soft: #333333;
    --first: #00707c; --second: #a06000; --heat: 0, 130, 143; --alert: #b3261e;
  }
  body { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  figure, table, .card, pre { break-inside: avoid; }
  h2 { break-after: avoid; }
  .wide, .scroll { background: none; } .scroll img { min-width: 0; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
