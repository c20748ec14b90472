// SPDX-License-Identifier: MIT
// The page of a comparison: what makes the runs unlike, series laid over each other, and all numbers that changed.
"use strict";
const compared = data.compare;
const letters = Object.keys(compared.runs);
const runs = data.runs.map((r, i) => ({
    name: r.name, letter: letters[i], time: sums(r.series.time), every: r.series.every,
    columns: new Map(r.series.columns.map(c => [c.name, c.values])),
}));

// All moments of all runs, and where each run's own lie among them.
const time = [...new Set(runs.flatMap(r => r.time))].sort((a, b) => a - b);
const places = new Map(time.map((t, i) => [t, i]));

// Of what a counter counts the rate, of what there is the number itself; of a run without it nothing.
const GAUGE = /^vmstat\.nr_(?!dirtied|written|throttled|vmscan|foll_pin|tlb)|\.rss_|^zone\.|\.current$/;
function overlay(name) {
    const gauge = GAUGE.test(name);
    return runs.map(r => {
        const values = new Array(time.length).fill(null);
        const own = r.columns.has(name) ? sums(r.columns.get(name)) : [];
        own.forEach((v, i) => {
            const dt = r.time[i] - (i ? r.time[i - 1] : 0);
            if (gauge || dt > 0)
                values[places.get(r.time[i])] = gauge ? v : (v - (i ? own[i - 1] : 0)) * 1e9 / dt;
        });
        return {label: `${r.letter}: ${r.name}`, values};
    });
}
const addChart = (where, name) => Charts.add(where, {
    title: name + (GAUGE.test(name) ? "" : ", a second"), time, gaps: true, series: overlay(name),
});

function showHead() {
    page.append(make("header", make("h1", "vmsim compare"), make("span.faint",
        `${grouped(compared.changed)} of ${grouped(compared.numbers)} numbers changed`), make("span.spacer"), themeButton()));
    runs.forEach((r, i) => {
        page.append(make("p", make("b", r.letter), ` ${compared.runs[r.letter]}`));
        for (const note of data.runs[i].notes)
            page.append(make("div.note", `${r.letter}: ${note}`));
    });
}

function showBreaches() {
    if ((compared.broken_bounds || []).length)
        table(section("Broken bounds"), compared.broken_bounds, Object.keys(compared.broken_bounds[0]).map(k => [k, k]));
}

function showUnlike() {
    const rows = compared.unlike || [];
    if (rows.length)
        table(section("What makes the runs unlike"), rows, Object.keys(rows[0]).map(k => [k, k]));
}

// First what changed most, as far as it goes over time; then whatever one asks for.
function showSeries() {
    const names = [...new Set(runs.flatMap(r => [...r.columns.keys()]))].sort();
    if (time.length < 2 || !names.length) {
        section("Over time").append(make("p.faint", "None of the runs has intervals: --set report.interval=1ms"));
        return;
    }
    const s = section("Over time");
    const charts = make("div.charts");
    const choice = make("input", {placeholder: "any counter that changes", size: 34});
    choice.setAttribute("list", "counters");
    choice.setAttribute("aria-label", "counter to plot");
    choice.addEventListener("change", () => {
        if (names.includes(choice.value)) {
            addChart(charts, choice.value);
            choice.value = "";
        }
    });
    const all = make("button", "Whole runs", {id: "whole"});
    all.addEventListener("click", () => Charts.zoom(time[0], time[time.length - 1]));
    const there = new Set(names);
    s.append(make("div.bar-line", all, choice, make("datalist", {id: "counters"}, ...names.map(n => make("option", {value: n}))),
        make("span.faint", "Drag to zoom, double-click for all; a click on a name hides its line.")), charts);
    const gauges = ["vmstat.nr_free_pages", "vmstat.nr_anon_pages", "vmstat.nr_file_pages"].filter(n => there.has(n));
    const most = compared.changes.map(c => c.counter).filter(n => there.has(n) && !gauges.includes(n)).slice(0, 11);
    for (const name of [...gauges, ...most])
        addChart(charts, name);
}

function showChanges() {
    if (compared.changes.length)
        table(section("What changed"), compared.changes,
            Object.keys(compared.changes[0]).map(k => [k, k, typeof compared.changes[0][k] === "number" ? "n" : undefined]), 2000);
}

// compare.html#test: zoom and cursor are shared by all charts, and each run has its line in each.
function selfTest() {
    const said = [];
    const check = (what, holds) => { if (!holds) said.push(what); };
    check("each run has its line", Charts.all.every(c => c.plot.series.length === runs.length + 1));
    const middle = time[Math.floor(time.length / 2)];
    if (Charts.all.length)
        Charts.zoom(time[0], middle);
    setTimeout(() => {
        check("zoom is shared", Charts.all.every(c => c.plot.scales.x.max === middle));
        document.getElementById("theme").click();
        check("a theme keeps the charts", Charts.all.every(c => c.plot));
        root.dataset.test = said.length ? "FAILED: " + said.join(", ") : "ok";
    }, 20);
}

showHead();
showBreaches();
showUnlike();
showSeries();
showChanges();
window.addEventListener("resize", () => Charts.resize());
root.dataset.ready = `${Charts.all.length} charts`;
if (location.hash.includes("test"))
    selfTest();
