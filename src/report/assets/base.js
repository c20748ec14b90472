// SPDX-License-Identifier: MIT
// What all pages share: elements, tables, the theme. Texts of a run are only ever set as text, never as markup. A page says
// that it is drawn, or what went wrong, in data-ready and data-error of <html>.
"use strict";
const root = document.documentElement;
window.addEventListener("error", e => { root.dataset.error = e.message + " at line " + e.lineno; });

const data = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");
const short = Charts.short;
const grouped = n => typeof n === "number" ? n.toLocaleString("en-US") : "–";
const redraws = [];

// make("td.n", "12") or make("div", {title: "x"}, child, ...)
function make(what, ...parts) {
    const [tag, ...classes] = what.split(".");
    const e = document.createElement(tag);
    if (classes.length)
        e.className = classes.join(" ");
    for (const p of parts) {
        if (p && typeof p === "object" && !(p instanceof Node))
            Object.assign(e, p);
        else if (p !== null && p !== undefined)
            e.append(p);
    }
    return e;
}
const section = title => {
    const s = make("section", make("h2", title));
    page.append(s);
    return s;
};

// Values from the differences to the one before.
function sums(steps) {
    const out = new Array(steps.length);
    let n = 0;
    for (let i = 0; i < steps.length; i++)
        out[i] = n += steps[i];
    return out;
}

// columns: [title, key or function, kind]; kind: "n" number, "t" ns, "b" bytes, "k" kB, "p" pages, "r" ratio
function table(where, rows, spec, most) {
    const body = make("tbody");
    const cell = (row, [, key, kind]) => {
        const v = typeof key === "function" ? key(row) : row[key];
        if (v === null || v === undefined)
            return ["–", -1];
        switch (kind) {
        case "n": return [grouped(v), v];
        case "t": return [Charts.duration(v), v];
        case "b": return [short(v, "B"), v];
        case "k": return [short(v * 1024, "B"), v];
        case "p": return [`${grouped(v)}`, v];
        case "r": return [short(Number(v) * 100, "%"), Number(v)];
        default: return [String(v), String(v)];
        }
    };
    let order = rows.slice();
    function fill() {
        body.replaceChildren(...order.slice(0, most || 500).map(row => make("tr", ...spec.map(c => {
            const [text] = cell(row, c);
            const kind = c[2] ? "td.n" : text === "FAILED" ? "td.bad" : text === "ok" ? "td.good" : "td";
            return make(kind, text);
        }))));
    }
    const heads = spec.map((c, i) => {
        const th = make(c[2] ? "th.sort.n" : "th.sort", c[0], {tabIndex: 0});
        const sort = () => {
            const down = th.getAttribute("aria-sort") !== "descending";
            heads.forEach(h => h.removeAttribute("aria-sort"));
            th.setAttribute("aria-sort", down ? "descending" : "ascending");
            order = rows.map(r => [cell(r, c)[1], r])
                .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0) * (down ? -1 : 1)).map(p => p[1]);
            fill();
        };
        th.addEventListener("click", sort);
        th.addEventListener("keydown", e => { if (e.key === "Enter") sort(); });
        return th;
    });
    fill();
    where.append(make("div.scroll", make("table", make("thead", make("tr", ...heads)), body)));
    if (rows.length > (most || 500))
        where.append(make("p.faint", `${grouped(rows.length - (most || 500))} more in stats.json; sort to see others`));
}

function themeButton() {
    const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = location.hash.includes("dark") ? "dark" : location.hash.includes("light") ? "light" : dark ? "dark" : "light";
    const b = make("button", "Light or dark", {id: "theme"});
    b.addEventListener("click", () => {
        root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
        Charts.redraw();
        redraws.forEach(f => f());
    });
    return b;
}
