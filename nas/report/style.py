"""Style sheet of the page: calm, readable on a phone, in light, in dark, and on paper."""

from search_spaces.drawing import DRAWING_CSS

_LIGHT = """
--ground:#f7f7f5;--paper:#ffffff;--ink:#1c2127;--quiet:#59616c;--edge:#e2e3e0;--grid:#e9ebee;
--helps:#1a65b0;--hurts:#b34700;--zero:#4c535d;--unknown:#7a828d;--band:#eef0f2;--code:#f1f2f0;
--helps-soft:#e6f0fa;--hurts-soft:#fdeee0;--plain:#7a5a3a;--adaptive:#8a3ea8;--random:#8fa3b8;
"""
_DARK = """
--ground:#0f1215;--paper:#16191d;--ink:#e8ebef;--quiet:#a4adb8;--edge:#2b3036;--grid:#262b31;
--helps:#7cbcf7;--hurts:#ffae66;--zero:#b4bcc6;--unknown:#8d97a3;--band:#20252b;--code:#20252b;
--helps-soft:#16283a;--hurts-soft:#35230f;--plain:#d3ac84;--adaptive:#d79aee;--random:#6f8296;
"""

PAGE_CSS = (
    f":root{{color-scheme:light dark;{_LIGHT}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,
"Segoe UI",Roboto,"Liberation Sans",sans-serif;font-variant-numeric:tabular-nums}
.page{max-width:1128px;margin:0 auto;padding:0 24px 64px}
a{color:var(--helps)}a:focus-visible,summary:focus-visible,.scroll:focus-visible{
outline:3px solid var(--helps);outline-offset:3px;border-radius:4px}
.skip{position:absolute;left:-9999px}.skip:focus{left:16px;top:8px;background:var(--paper);
padding:6px 12px}
.bar{display:flex;flex-wrap:wrap;gap:2px 20px;align-items:baseline;padding:14px 0 10px;
font-size:13.5px;color:var(--quiet)}
.bar b{color:var(--ink)}.bar nav{margin-left:auto;display:flex;gap:16px}
.bar nav a{color:var(--quiet);text-decoration:none}.bar nav a:hover{text-decoration:underline}
h1{margin:0 0 14px;font-size:16px;line-height:1.45;font-weight:400;max-width:66em}
h1 .claim{display:block;font-size:30px;line-height:1.2;font-weight:680;letter-spacing:-.015em;
margin-bottom:4px;text-wrap:balance}
h1 .evidence{text-wrap:pretty;color:var(--quiet)}h1 b{color:var(--ink);font-weight:640}
.first{display:grid;grid-template:"keeps side" auto "map side" auto "sight side" 1fr/
minmax(0,1fr) 400px;gap:14px;align-items:start}
.keeps{grid-area:keeps}.map{grid-area:map}.side{grid-area:side}.sight{grid-area:sight}
.side{display:grid;gap:14px;align-content:start}
.card{background:var(--paper);border:1px solid var(--edge);border-radius:12px;
padding:11px 18px 12px;
min-width:0}
.card h2{margin:0 0 3px;font-size:13px;line-height:1.4;font-weight:600;color:var(--quiet)}
.card p{color:var(--ink);max-width:none;margin:0 0 6px;font-size:14.5px;line-height:1.45}
.card p:last-child{margin-bottom:0}
.card .answer{font-size:16px;font-weight:620;line-height:1.35;margin-bottom:3px}
.card .small{font-size:13px;color:var(--quiet)}
.card ul{margin:0 0 6px;padding:0;list-style:none}
.card li{font-size:14px;line-height:1.45;margin:4px 0}.card .meter{margin:2px 0 6px}
.meter{height:6px;border-radius:3px;background:var(--grid);overflow:hidden;max-width:280px}
.meter i{display:block;height:100%;background:var(--helps);border-radius:3px}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;
background:var(--code);border-radius:5px;padding:2px 6px;overflow-wrap:anywhere}
.kinds{display:block;margin-top:2px}
.keep{margin:2px 0 8px}.keep th,.keep td{padding:3px 14px 3px 0;font-size:14px}
.keep thead th{white-space:normal;font-size:13px}.keep small{display:block;font-weight:400}
.keep tbody th{color:var(--ink)}.keep tr:last-child>*{border-bottom:0}
.changes{margin-top:6px}.changes b{color:var(--ink)}
.changes button{font:inherit;color:var(--ink);background:var(--paper);cursor:pointer;
border:1px solid var(--unknown);border-radius:6px;padding:1px 8px;margin:1px 0}
.changes button:hover{background:var(--code)}.changes button[aria-pressed=true]{
background:var(--helps-soft);border-color:var(--helps)}
.result{border-top:1px solid var(--edge);margin-top:8px;padding-top:8px}
.result table{font-size:13px;margin-bottom:6px}.result th{white-space:normal}.result th,.result td{padding:3px 12px 3px 0}
.live [data-place]{cursor:pointer}.trying [data-place]{opacity:.42}
.trying [data-place][aria-pressed=true]{opacity:1}
.trying [data-place][aria-pressed=true]>rect{stroke:var(--ink);stroke-width:1.8}
.trying .changed>.nn-block{stroke:var(--ink);stroke-width:2.4}
[data-place]:focus-visible,button:focus-visible{outline:3px solid var(--helps);outline-offset:2px}
main>section{margin-top:52px}
section>h2{font-size:22px;line-height:1.25;font-weight:660;letter-spacing:-.01em;margin:0 0 6px}
section>h3{font-size:15.5px;margin:26px 0 4px}
section>p{margin:0 0 14px;max-width:46em;color:var(--quiet)}
section>p.plain{color:var(--ink)}
.two{display:grid;grid-template-columns:1fr 1fr;gap:16px}
svg{display:block;max-width:100%;height:auto}.nn .fig{margin:0}.card .nn{margin:0 auto}
.narrow{display:none}
.fig text{font-size:12px;fill:var(--ink)}.fig .quiet{fill:var(--quiet)}
.fig .strong{font-weight:620}
.fig text.helps{fill:var(--helps)}.fig text.hurts{fill:var(--hurts)}
.fig text.zero,.fig text.unknown{fill:var(--quiet)}.fig text.plain{fill:var(--plain)}
.fig text.identity{fill:var(--helps)}.fig text.projection{fill:var(--adaptive)}
.fig path{fill:none}.fig .grid{stroke:var(--grid)}.fig .axis{stroke:var(--quiet)}
.fig .band{fill:var(--band)}
.fig .cell{fill:var(--random)}.fig .dot{fill:var(--ink)}
.fig text.small{font-size:11px;fill:var(--quiet)}
.fig .whisker{stroke-width:2;stroke:var(--unknown)}.fig .curve{stroke-width:2.2}
.fig .mark{fill:var(--unknown)}.fig .mark.zero{fill:var(--paper);stroke:var(--zero)}
.fig .whisker.helps{stroke:var(--helps)}.fig .mark.helps{fill:var(--helps)}
.fig .whisker.hurts{stroke:var(--hurts)}.fig .mark.hurts{fill:var(--hurts)}
.fig .whisker.zero{stroke:var(--zero)}
.fig .whisker.identity,.fig .curve.identity{stroke:var(--helps)}
.fig .mark.identity{fill:var(--helps)}
.fig .whisker.plain,.fig .curve.plain{stroke:var(--plain)}.fig .mark.plain{fill:var(--plain)}
.fig .whisker.projection,.fig .curve.projection{stroke:var(--adaptive)}
.fig .mark.projection{fill:var(--adaptive)}
.fig .seed{fill:var(--helps);fill-opacity:.45}.fig .seed.plain{fill:var(--plain)}
.fig .meanline{stroke:var(--helps);stroke-width:2.4}.fig .meanline.plain{stroke:var(--plain)}
.fig .hollow{fill:var(--paper)!important;stroke:var(--hurts);stroke-width:1.6}
.fig .trial.randomised{fill:var(--random)}.fig .trial.adaptive{fill:var(--adaptive);
fill-opacity:.8}
.fig .best{stroke:var(--helps)}.fig .cross{stroke:var(--hurts);stroke-width:1.5}
.key{display:inline-flex;vertical-align:middle;align-items:center;gap:6px;margin-right:16px;
font-size:13px;
color:var(--quiet)}
.key i{width:10px;height:10px;border-radius:5px;display:inline-block}
.key i.bar-mark{height:3px;width:16px;border-radius:0}.key i.square{border-radius:1px}
.key i.diamond{border-radius:1px;transform:rotate(45deg) scale(.85)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13.5px;line-height:1.4}
th{font-weight:600;color:var(--quiet);text-align:left;white-space:nowrap}
th,td{padding:6px 12px 6px 0;border-bottom:1px solid var(--edge);vertical-align:top}
td.w{white-space:nowrap}.scroll+p{margin-top:10px}
td.n,th.n{text-align:right;white-space:nowrap}tr.heavy td{font-weight:620}
td.code{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;white-space:nowrap}
.helps-word{color:var(--helps);font-weight:600}.hurts-word{color:var(--hurts);font-weight:600}
.quiet-word{color:var(--quiet)}
details{margin-top:14px}summary{cursor:pointer;font-weight:600;font-size:14.5px;padding:4px 0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:16px}
.tile b{display:block;font-size:24px;line-height:1.2;font-weight:640}
.tile{font-size:13.5px;color:var(--quiet);line-height:1.4}.tile b{color:var(--ink)}
.warning{border-left:4px solid var(--hurts);background:var(--hurts-soft);border-radius:6px;
padding:10px 16px;margin:8px 0;font-size:14.5px}
.warning code{background:var(--paper)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;margin:0;font-size:14px}
dt{color:var(--quiet)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
.cite{background:var(--code);border-radius:8px;padding:14px 18px;font-size:14.5px;max-width:60em;
margin:0}
footer{margin-top:56px;padding-top:14px;border-top:1px solid var(--edge);font-size:13px;
color:var(--quiet)}
@media (max-width:900px){.first{grid-template:"keeps" auto "map" auto "side" auto "sight" auto/minmax(0,1fr)}
.two{grid-template-columns:1fr}
}
@media (max-width:680px){.page{padding:0 14px 40px}.wide{display:none}.narrow{display:block}
h1{font-size:15.5px;margin-bottom:14px}h1 .claim{font-size:25px}.bar nav{display:none}
.card{padding:12px 12px}.first,.side{gap:12px}main>section{margin-top:40px}
.card .fig{margin:0 auto}dl{grid-template-columns:1fr}dd{margin-bottom:6px}}
@media print{body{background:#fff;font-size:11pt}.page{max-width:none;padding:0}.bar nav,.skip{
display:none}.card,.warning,svg,tr{break-inside:avoid}main>section{margin-top:24px}
.changes{display:none}
.first{grid-template:"keeps" auto "map" auto "side" auto "sight" auto/1fr}details>summary{list-style:none}}
""" + DRAWING_CSS
)
"""Everything that the page needs; nothing is fetched."""
