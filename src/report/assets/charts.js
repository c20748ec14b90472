// SPDX-License-Identifier: MIT
// Time series of one run: many uPlot charts with one cursor and one zoom, which redraw when the theme changes.
"use strict";
const Charts = (() => {
    const all = [];
    const sync = uPlot.sync("vmsim");
    const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
    const POWERS = Array.from({length: 51}, (_, i) => 2 ** i); // steps between sizes
    let markers = [];
    let zooming = false;

    // 1234567 -> "1.23 M": three digits, for axes and legends.
    function short(n, unit) {
        if (n === null || n === undefined || Number.isNaN(n))
            return "–";
        if (unit === "B")
            return scaled(n, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
        if (unit === "ns")
            return duration(n);
        if (unit === "%")
            return (Math.round(n * 10) / 10) + " %";
        return scaled(n, 1000, ["", "k", "M", "G", "T"]) + (unit || "");
    }
    function scaled(n, base, units) {
        let i = 0;
        let m = Math.abs(n);
        while (m >= base && i < units.length - 1) {
            m /= base;
            i++;
        }
        const text = m >= 100 || Number.isInteger(m) ? String(Math.round(m)) : m.toPrecision(3).replace(/\.?0+$/, "");
        return (n < 0 ? "-" : "") + text + (units[i] ? " " + units[i] : "");
    }
    function duration(ns) {
        const units = [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];
        const [name, size] = units.find(u => Math.abs(ns) >= u[1]) || units[3];
        const value = ns / size;
        return (value >= 100 ? Math.round(value) : Number(value.toPrecision(3))) + " " + name;
    }

    // The moments that the scenario names, as lines through every chart.
    function drawMarkers(u) {
        const c = u.ctx;
        c.save();
        c.strokeStyle = colour("faint");
        c.fillStyle = colour("faint");
        c.font = `${11 * devicePixelRatio}px sans-serif`;
        c.textAlign = "left";
        c.textBaseline = "alphabetic";
        c.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
        c.lineWidth = devicePixelRatio;
        const ends = [-Infinity, -Infinity, -Infinity]; // of the names in each row: where they would cover others, one lower
        for (const m of markers) {
            const x = Math.round(u.valToPos(m.time, "x", true));
            if (x < u.bbox.left || x > u.bbox.left + u.bbox.width)
                continue;
            c.beginPath();
            c.moveTo(x, u.bbox.top);
            c.lineTo(x, u.bbox.top + u.bbox.height);
            c.stroke();
            const width = c.measureText(m.name).width;
            const left = Math.min(x, u.bbox.left + u.bbox.width - width);
            const row = ends.findIndex(end => left > end);
            if (row >= 0) {
                c.fillText(m.name, left + (row ? 3 * devicePixelRatio : 0), u.bbox.top + (13 * row - 5) * devicePixelRatio);
                ends[row] = left + width + 6 * devicePixelRatio;
            }
        }
        c.restore();
    }

    // One zoom for all.
    function zoomed(u, key) {
        if (key !== "x" || zooming)
            return;
        zooming = true;
        const {min, max} = u.scales.x;
        for (const other of all) {
            if (other.plot !== u && other.plot)
                other.plot.setScale("x", {min, max});
        }
        zooming = false;
        for (const f of listeners)
            f(min, max);
    }
    const listeners = [];

    // series: [{label, values, dash}]; lines: [{label, value}], drawn across: watermarks.
    function options(chart) {
        const {spec, host} = chart;
        const axis = {stroke: colour("faint"), grid: {stroke: colour("grid"), width: 1}, ticks: {stroke: colour("grid")}};
        const lines = spec.series.map((s, i) => ({
            label: s.label,
            stroke: colour("s" + (s.colour ?? i) % 8),
            width: s.line ? 1 : 1.6,
            dash: s.line ? [4, 4] : DASHES[Math.floor(i / 8) % 4],
            fill: spec.stacked || s.fill ? colour("s" + (s.colour ?? i) % 8) + "30" : undefined,
            points: {show: s.values.length < 3},
            spanGaps: spec.gaps,
            value: (u, v, i, at) => short(at === null ? last(u, i) : v, spec.unit),
        }));
        return {
            width: Math.max(260, host.clientWidth - 22),
            height: spec.height || 210,
            padding: [18, 24, 0, 0],
            cursor: {sync: {key: sync.key, setSeries: false}, drag: {x: true, y: false}, focus: {prox: 20}},
            scales: {x: {time: false}, y: {range: (u, min, max) => range(spec, min, max)}},
            legend: {live: true},
            focus: {alpha: 0.35},
            axes: [
                {...axis, values: (u, ticks) => ticks.map(duration), space: 70},
                {...axis, values: (u, ticks) => ticks.map(t => short(t, spec.unit)), size: 72,
                    ...(spec.unit === "B" ? {incrs: POWERS} : {})},
            ],
            series: [{label: "time", value: (u, v, i, at) => duration(at === null ? last(u, 0) : v)}, ...lines],
            hooks: {draw: [drawMarkers], setScale: [zoomed]},
        };
    }
    // Without a cursor the legend tells what is at the right end.
    function last(u, series) {
        const values = u.data[series];
        const shown = u.series[0].idxs;
        return values.length ? values[shown ? shown[1] : values.length - 1] : null;
    }
    function range(spec, min, max) {
        if (min === null || max === min && !max)
            return [0, spec.unit === "%" ? 100 : 1];
        return [Math.min(0, min), max + (max - Math.min(0, min)) * 0.06];
    }

    function draw(chart) {
        const scale = chart.plot && chart.plot.scales.x;
        if (chart.plot)
            chart.plot.destroy();
        chart.plot = new uPlot(options(chart), [chart.spec.time, ...chart.spec.series.map(s => s.values)], chart.host);
        if (scale && scale.min !== null) {
            zooming = true;
            chart.plot.setScale("x", {min: scale.min, max: scale.max});
            zooming = false;
        }
    }

    // Puts a chart into `parent`. spec: {title, hint, unit, time, series, wide}
    function add(parent, spec) {
        const host = document.createElement("div");
        host.className = spec.wide ? "chart wide" : "chart";
        const title = document.createElement("h3");
        title.textContent = spec.title;
        host.append(title);
        parent.append(host);
        const chart = {spec, host, plot: null};
        all.push(chart);
        draw(chart);
        return chart;
    }
    function remove(chart) {
        chart.plot.destroy();
        chart.host.remove();
        all.splice(all.indexOf(chart), 1);
    }
    function redraw() {
        for (const chart of all)
            draw(chart);
    }
    function zoom(min, max) {
        if (all.length)
            all[0].plot.setScale("x", {min, max});
    }
    function resize() {
        for (const chart of all)
            chart.plot.setSize({width: Math.max(260, chart.host.clientWidth - 22), height: chart.spec.height || 210});
    }
    return {
        all, add, remove, redraw, zoom, resize, short, duration, colour,
        onZoom: f => listeners.push(f),
        setMarkers: list => { markers = list; },
    };
})();
