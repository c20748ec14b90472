// SPDX-License-Identifier: MIT
// The page of one run: what stands in #data as cards, series, maps and tables.
"use strict";
const run = data;
const stats = run.stats;
const pageSize = (stats.machine && stats.machine.page_size_bytes) || 4096;
const list = key => Array.isArray(stats[key]) ? stats[key] : [];

// ---- series

const time = sums(run.series.time);
const columns = new Map(run.series.columns.map(c => [c.name, c.values]));
const decoded = new Map();
function column(name) {
    if (!columns.has(name))
        return null;
    if (!decoded.has(name))
        decoded.set(name, sums(columns.get(name)));
    return decoded.get(name);
}
// Events a second between a row and the one before.
function rate(values, scale) {
    return values.map((v, i) => {
        const dt = time[i] - (i ? time[i - 1] : 0);
        return dt > 0 ? (v - (i ? values[i - 1] : 0)) * (scale || 1e9) / dt : null;
    });
}
const times = (values, factor) => factor === 1 ? values : values.map(v => v * factor);
function add(...parts) {
    const there = parts.filter(Boolean);
    return there.length ? there[0].map((_, i) => there.reduce((sum, p) => sum + p[i], 0)) : null;
}
const peak = values => values.reduce((most, v) => v > most ? v : most, 0);

// [label, counter] pairs as series, those that never change left out.
function gauges(pairs, factor) {
    return pairs.filter(p => columns.has(p[1])).map(p => ({label: p[0], values: times(column(p[1]), factor || 1)}));
}
function rates(pairs, factor) {
    return pairs.filter(p => columns.has(p[1]))
        .map(p => ({label: p[0], values: times(rate(column(p[1])), factor || 1)}));
}
const vm = (...names) => names.map(n => [n, "vmstat." + n]);
// Names of columns that match, with the part in parentheses.
const matching = pattern => [...columns.keys()].map(n => n.match(pattern)).filter(Boolean);
// The `n` of them that reach highest; the page says how many were left out.
function highest(series, n) {
    const order = series.map(s => [peak(s.values), s]).sort((a, b) => b[0] - a[0]).map(p => p[1]);
    return order.slice(0, n);
}

function zoneCharts() {
    const specs = [];
    for (const [name, node, zone] of matching(/^zone\.(\d+)\.(.+)\.free$/)) {
        const z = list("memory_by_zone").find(x => String(x.node) === node && x.zone === zone);
        const boost = column(`zone.${node}.${zone}.boost`);
        // what the run ends with has the boost of the end in it
        const last = (stats.counters || {})[`zone.${node}.${zone}.boost`] || 0;
        const flat = (key, label, colour) => ({
            label, line: true, colour,
            values: time.map((_, i) => (z[key] - last + (boost ? boost[i] : last)) * pageSize),
        });
        const lines = z ? [flat("high_pages", "high", 2), flat("low_pages", "low", 4), flat("min_pages", "min", 1)] : [];
        specs.push({
            title: `Free memory, node ${node} ${zone}`, unit: "B",
            series: [{label: "free", values: times(column(name), pageSize), colour: 0, fill: true}, ...lines],
        });
    }
    return specs;
}

function taskSeries(names) {
    const tasks = new Set(matching(new RegExp(`^tasks\\.(.+)\\.(?:${names.join("|")})$`)).map(m => m[1]));
    return [...tasks].map(t => ({label: t, values: add(...names.map(n => column(`tasks.${t}.${n}`)))}));
}

// Time of a CPU as its share of each row. A call that is not interrupted is told whole when it begins: what of it is more
// than a row holds belongs to the rows after.
function shares(busy) {
    let ahead = 0;
    return busy.map((v, i) => {
        const dt = time[i] - (i ? time[i - 1] : 0);
        ahead += v - (i ? busy[i - 1] : 0);
        const here = Math.min(ahead, dt);
        ahead -= here;
        return dt > 0 ? 100 * here / dt : null;
    });
}

function cpuCharts() {
    const cpus = matching(/^cpu(\d+)\.time_ns$/).map(m => m[1]);
    const used = cpus.map(c => {
        const busy = add(column(`cpu${c}.user_ns`), column(`cpu${c}.system_ns`));
        return busy && {label: "CPU " + c, values: shares(busy)};
    }).filter(Boolean);
    return {title: "CPUs in use", unit: "%", series: highest(used, 12)};
}

function tlbSeries() {
    const walks = add(...matching(/^tlb\.cpu\d+\.walks$/).map(m => column(m[0])));
    const accesses = add(...matching(/^tlb\.cpu\d+\.accesses$/).map(m => column(m[0])));
    const sizes = new Map();
    for (const [name, size] of matching(/^tlb\.cpu\d+\.walks\.([^.]+)$/))
        sizes.set(size, [...(sizes.get(size) || []), column(name)]);
    const series = [];
    if (walks)
        series.push({label: "walks", values: rate(walks)});
    if (sizes.size > 1)
        for (const [size, parts] of sizes)
            series.push({label: "walks " + size, values: rate(add(...parts))});
    const ratio = walks && accesses ? {
        label: "walks",
        values: walks.map((w, i) => {
            const n = accesses[i] - (i ? accesses[i - 1] : 0);
            return n > 0 ? (w - (i ? walks[i - 1] : 0)) / n : null;
        }),
    } : null;
    return [{title: "Page walks a second", series}, {title: "Walks a reference", series: ratio ? [ratio] : []}];
}

// Stall times are counted where they end or at a tick, and each total weighs CPUs by how busy they were until now: of rows
// that lie close together one says nothing and the next too much. Over 20 ms it is a share.
function pressureSeries() {
    const share = values => {
        let from = 0;
        return values.map((v, i) => {
            while (from + 1 < i && time[i] - time[from + 1] >= 2e7)
                from++;
            const dt = time[i] - (i ? time[from] : 0);
            return dt > 0 ? Math.min(100, Math.max(0, (v - (i ? values[from] : 0)) * 1e5 / dt)) : null;
        });
    };
    return matching(/^pressure\.(.+)\.(some|full)_us$/)
        .map(([name, what, kind]) => ({label: `${what} ${kind}`, values: share(column(name))}));
}

function chartSpecs() {
    const kb = 1024;
    return [
        ...zoneCharts(),
        {title: "LRU lists", unit: "B", series: gauges(
            vm("nr_active_anon", "nr_inactive_anon", "nr_active_file", "nr_inactive_file", "nr_unevictable"), pageSize)},
        {title: "Memory of tasks (RSS)", unit: "B", series: highest(taskSeries(["rss_anon", "rss_file", "rss_shmem"])
            .map(s => ({...s, values: times(s.values, pageSize)})), 12)},
        {title: "Page cache, dirty, page tables", unit: "B", series: gauges(
            vm("nr_file_pages", "nr_dirty", "nr_writeback", "nr_shmem", "nr_page_table_pages"), pageSize)},
        {title: "Faults a second", series: rates(vm("pgfault", "pgmajfault"))},
        {title: "Faults of tasks a second", series: highest(taskSeries(["minflt", "majflt"])
            .map(s => ({...s, values: rate(s.values)})), 12)},
        {title: "Reclaim: pages a second", series: rates(vm("pgscan_kswapd", "pgscan_direct", "pgsteal_kswapd",
            "pgsteal_direct", "workingset_refault_anon", "workingset_refault_file"))},
        {title: "Stalls in allocation a second", series: rates([...vm("compact_stall", "oom_kill"),
            ...matching(/^vmstat\.(allocstall_\w+)$/).map(m => [m[1], m[0]])])},
        {title: "Compaction: pages a second", series: rates(vm("compact_migrate_scanned", "compact_free_scanned",
            "compact_isolated", "pgmigrate_success", "pgmigrate_fail"))},
        {title: "Huge pages a second", series: rates(vm("thp_fault_alloc", "thp_fault_fallback", "thp_collapse_alloc",
            "thp_split_page"))},
        {title: "Swap: pages a second", series: rates(vm("pswpin", "pswpout"))},
        {title: "Disk: bytes a second", unit: "B", series: rates(vm("pgpgin", "pgpgout"), kb)},
        {title: "Pressure (PSI): share of time that tasks stall", unit: "%", series: pressureSeries()},
        ...tlbSeries(),
        cpuCharts(),
    ].filter(s => s.series.length);
}

const GAUGE = /^vmstat\.nr_(?!dirtied|written|throttled|vmscan|foll_pin|tlb)|\.rss_|^zone\./;
function counterPicker(where) {
    const names = [...columns.keys()].sort();
    const choice = make("input", {placeholder: "any counter that changes", size: 34});
    choice.setAttribute("list", "counters");
    choice.setAttribute("aria-label", "counter to plot");
    const options = make("datalist", {id: "counters"}, ...names.map(n => make("option", {value: n})));
    const remove = make("button", "Remove last");
    const added = [];
    choice.addEventListener("change", () => {
        const values = column(choice.value);
        if (!values)
            return;
        const gauge = GAUGE.test(choice.value);
        added.push(Charts.add(where, {
            title: choice.value + (gauge ? "" : ", a second"), time, wide: true,
            series: [{label: choice.value, values: gauge ? values : rate(values)}],
        }));
        choice.value = "";
    });
    remove.addEventListener("click", () => { if (added.length) Charts.remove(added.pop()); });
    return [choice, options, remove];
}

// Microseconds of a length that people choose: 1, 2 or 5 and noughts.
function roundStep(ns) {
    const power = 10 ** Math.floor(Math.log10(Math.max(1, ns / 1000)));
    return power * [1, 2, 5, 10].find(n => n * power >= ns / 1000);
}

function showSeries() {
    const s = section("Over time");
    if (time.length < 2) {
        const step = roundStep(((stats.run || {}).virtual_time_ns || 0) / 300);
        s.append(make("p.faint", "This run has no intervals: "), make("p", make("code",
            `vmsim run ${run.name}/resolved.yaml --set report.interval=${step}us -o ${run.name}`),
        ` writes a row of all counters each ${Charts.duration(step * 1000)} of virtual time.`));
        return;
    }
    const charts = make("div.charts");
    const all = make("button", "Whole run", {id: "whole"});
    all.addEventListener("click", () => Charts.zoom(time[0], time[time.length - 1]));
    s.append(make("div.bar-line", all, ...counterPicker(charts), make("span.faint",
        `${grouped(run.series.rows)} rows${run.series.every > 1 ? `, each ${run.series.every}th shown` : ""}. ` +
        "Drag to zoom, double-click for all; a click on a name hides its line.")), charts);
    Charts.setMarkers(list("markers").map(m => ({name: m.marker, time: m.time_ns})));
    for (const spec of chartSpecs())
        Charts.add(charts, {...spec, time});
}

// ---- maps

// Rows of cells over time, drawn from `cell(row, from, to)` -> 0..1, zoomed with the charts.
function heatMap(where, rows, height, cell, hint) {
    const canvas = make("canvas.map");
    const says = make("p.faint", hint);
    where.append(canvas, says);
    let from = 0;
    let to = time[time.length - 1];
    const label = 150;
    function draw() {
        const scale = devicePixelRatio || 1;
        const width = canvas.clientWidth || 800;
        canvas.width = width * scale;
        canvas.height = (rows.length * height + 20) * scale;
        canvas.style.height = rows.length * height + 20 + "px";
        const c = canvas.getContext("2d");
        c.scale(scale, scale);
        c.font = "12px sans-serif";
        c.textBaseline = "middle";
        const step = 3;
        const gap = height > 8 ? 4 : 0;
        let free = 0; // below the last label
        rows.forEach((row, r) => {
            c.fillStyle = Charts.colour("text");
            c.globalAlpha = 1;
            if (row.label && r * height >= free) {
                c.fillText(row.label, 0, r * height + Math.max(7, height / 2), label - 8);
                free = r * height + 14;
            }
            const begin = Math.max(from, row.begin || 0);
            const end = Math.min(to, row.end === undefined ? to : row.end);
            const x = t => label + (t - from) / (to - from) * (width - label);
            c.fillStyle = Charts.colour("grid");
            c.fillRect(x(begin), r * height + gap / 2, Math.max(1, x(end) - x(begin)), height - gap);
            c.fillStyle = Charts.colour("bar");
            for (let px = label; px < width; px += step) {
                const a = from + (px - label) / (width - label) * (to - from);
                c.globalAlpha = cell(r, a, a + step / (width - label) * (to - from));
                if (c.globalAlpha > 0)
                    c.fillRect(px, r * height + gap / 2, step, height - gap);
            }
            c.globalAlpha = 1;
            if (row.mark !== undefined && row.end >= from && row.end <= to) {
                c.fillStyle = Charts.colour("bad");
                c.fillText(row.mark, Math.min(x(row.end), width - 12), r * height + height / 2);
            }
        });
        c.fillStyle = Charts.colour("faint");
        c.fillText(Charts.duration(from), label, rows.length * height + 10);
        const last = Charts.duration(to);
        c.fillText(last, width - c.measureText(last).width, rows.length * height + 10);
    }
    Charts.onZoom((min, max) => { [from, to] = [min, max]; draw(); });
    redraws.push(draw);
    draw();
    const at = (x, y) => ({row: rows[Math.floor(y / height)], time: from + (x - label) / (canvas.clientWidth - label) * (to - from)});
    return {canvas, says, at};
}

// First row at or after a time.
function rowAt(t) {
    let low = 0;
    let high = time.length - 1;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (time[middle] < t)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

function showTaskMap() {
    const faults = new Map(taskSeries(["minflt", "majflt"]).map(s => [s.label, s.values]));
    if (time.length < 2 || !faults.size)
        return;
    const tasks = list("tasks").filter(t => faults.has(t.name)).slice(0, 60);
    const most = Math.max(1, ...tasks.map(t => peak(rate(faults.get(t.name)))));
    const rows = tasks.map(t => ({
        label: t.name, begin: t.start_ns, end: t.start_ns + t.time_ns,
        mark: t.end === "killed" ? "✗" : t.end === "running" ? undefined : "|",
    }));
    heatMap(section("Faults by task over time"), rows, 22, (r, a, b) => {
        const values = faults.get(tasks[r].name);
        const i = Math.max(1, rowAt(a));
        const j = Math.max(i, rowAt(b));
        const dt = time[j] - time[i - 1];
        const perSecond = dt > 0 ? (values[j] - values[i - 1]) * 1e9 / dt : 0;
        return perSecond > 0 ? 0.15 + 0.85 * Math.log1p(perSecond) / Math.log1p(most) : 0;
    }, `The stronger the colour, the more faults a second (logarithmic, up to ${short(most)}); | ended, ✗ killed.`);
}

// Of rows of one task that are near each other in its address space the first has its address.
function showFaultMap() {
    const map = run.faults;
    if (!map || !Array.isArray(map.rows) || !map.rows.length || time.length < 2)
        return;
    const s = section("Faults by address over time");
    const ends = map.times;
    const place = row => Number(row.start);
    const follows = (row, before) => before && before.task === row.task && place(row) - place(before) <= 32 * map.row_bytes;
    const height = [[300, 2], [160, 4], [60, 7], [0, 14]].find(([rows]) => map.rows.length > rows)[1];
    const seconds = i => (ends[i] - (i ? ends[i - 1] : 0)) / 1e9;
    const perSecond = map.rows.map(row => row.counts.map((n, i) => seconds(row.first + i) > 0 ? n / seconds(row.first + i) : 0));
    const most = Math.max(1, ...perSecond.map(peak));
    const rows = map.rows.map((row, i) => ({
        label: follows(row, map.rows[i - 1]) ? "" : `${row.task} ${row.start}`, begin: 0, place: row, counts: perSecond[i],
    }));
    const hint = `A line is ${short(map.row_bytes, "B")} of a task's addresses, where it ever faulted; the stronger the colour, ` +
        `the more faults a second (logarithmic, up to ${short(most)}).` +
        (map.left_out ? ` ${grouped(map.left_out)} faults of further tasks are not shown.` : "");
    const columnAt = t => {
        const i = ends.findIndex(end => end >= t);
        return i < 0 ? ends.length - 1 : i;
    };
    const {canvas, says, at} = heatMap(s, rows, height, (r, a, b) => {
        let highest = 0;
        for (let i = columnAt(a); i <= columnAt(b); i++)
            highest = Math.max(highest, rows[r].counts[i - rows[r].place.first] || 0);
        return highest > 0 ? 0.15 + 0.85 * Math.log1p(highest) / Math.log1p(most) : 0;
    }, hint);
    canvas.id = "faults";
    canvas.addEventListener("mousemove", event => {
        const box = canvas.getBoundingClientRect();
        const {row, time: t} = at(event.clientX - box.left, event.clientY - box.top);
        const i = columnAt(t);
        says.textContent = row && t >= 0 ? `${row.place.task}, ${row.place.start} and ${short(map.row_bytes, "B")} on: ` +
            `${grouped(row.place.counts[i - row.place.first] || 0)} faults from ${Charts.duration(i ? ends[i - 1] : 0)} ` +
            `to ${Charts.duration(ends[i])}` : hint;
    });
    canvas.addEventListener("mouseleave", () => { says.textContent = hint; });
}

// ---- what each part of memory holds

const KINDS = [["M", "movable", 0], ["U", "unmovable", 1], ["R", "reclaimable", 2], ["H", "high-order atomic", 4],
    ["C", "CMA", 5], ["I", "isolated", 6], ["T", "huge page", 3], ["X", "mixed with what cannot move", 7]];

// A strip of cells a range of memory, filled from the bottom as far as it is in use: what it is for by colour.
function drawBlocks(canvas, blocks, map) {
    const scale = devicePixelRatio || 1;
    const width = canvas.clientWidth || 800;
    const label = 150;
    const size = blocks.maps[0].cells.length / 2 > 1200 ? 8 : 12;
    const across = Math.max(1, Math.floor((width - label) / size));
    const rows = blocks.ranges.map(r => Math.ceil(r.cells / across));
    const height = rows.reduce((n, r) => n + r * size + 8, 0);
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.height = height + "px";
    const c = canvas.getContext("2d");
    c.scale(scale, scale);
    c.font = "12px sans-serif";
    c.textBaseline = "top";
    let cell = 0;
    let top = 0;
    blocks.ranges.forEach((range, r) => {
        c.fillStyle = Charts.colour("text");
        c.fillText(`node ${range.node} from ${short(range.start_bytes, "B")}`, 0, top, label - 8);
        for (let i = 0; i < range.cells; i++, cell++) {
            const kind = map.cells[2 * cell];
            if (kind === ".")
                continue;
            const x = label + i % across * size;
            const y = top + Math.floor(i / across) * size;
            const filled = (size - 1) * parseInt(map.cells[2 * cell + 1], 16) / 15;
            const colour = Charts.colour("s" + (KINDS.find(k => k[0] === kind) || KINDS[0])[2]);
            c.fillStyle = colour;
            c.globalAlpha = 0.18;
            c.fillRect(x, y, size - 1, size - 1);
            c.globalAlpha = 1;
            c.fillRect(x, y + size - 1 - filled, size - 1, filled);
        }
        top += rows[r] * size + 8;
    });
}

function showBlocks() {
    const blocks = run.blocks;
    if (!blocks || !Array.isArray(blocks.maps) || !blocks.maps.length)
        return;
    const s = section("What each part of memory holds");
    const maps = blocks.maps;
    const slider = make("input", {type: "range", id: "blocks", min: 0, max: maps.length - 1, value: maps.length - 1, step: 1});
    slider.setAttribute("aria-label", "time of the map");
    const says = make("span", {id: "blocks-time"});
    const canvas = make("canvas.map");
    const play = make("button", "Play");
    let timer = 0;
    function draw() {
        const map = maps[slider.value];
        drawBlocks(canvas, blocks, map);
        const marker = list("markers").filter(m => m.time_ns !== null && m.time_ns <= map.time_ns).pop();
        says.textContent = Charts.duration(map.time_ns) + (marker && marker.marker ? `, after "${marker.marker}"` : "");
        slider.setAttribute("aria-valuetext", says.textContent);
    }
    function stop() {
        clearInterval(timer);
        timer = 0;
        play.textContent = "Play";
    }
    play.addEventListener("click", () => {
        if (timer)
            return stop();
        if (Number(slider.value) === maps.length - 1)
            slider.value = 0;
        play.textContent = "Stop";
        timer = setInterval(() => {
            slider.value = Number(slider.value) + 1;
            draw();
            if (Number(slider.value) === maps.length - 1)
                stop();
        }, 80);
    });
    slider.addEventListener("input", () => { stop(); draw(); });
    const there = KINDS.filter(k => maps.some(m => m.cells.includes(k[0])));
    const key = there.map(([, name, colour]) => {
        const square = make("i.key");
        square.style.background = `var(--s${colour})`;
        return make("span", square, name + "\u2003");
    });
    s.append(make("div.bar-line.still", play, slider, says), canvas, make("p.faint", ...key,
        `A square is ${short(blocks.cell_bytes, "B")}, filled as far as it is in use` +
        (blocks.cell_bytes > blocks.pageblock_bytes ? "; its colour is that of most of its pageblocks." : ".")));
    redraws.push(draw);
    draw();
}

// ---- tables

function showTimes() {
    const rows = list("where_the_time_went");
    const total = rows.reduce((n, r) => n + r.time_ns, 0);
    if (!total)
        return;
    const s = section("Where the time went");
    const bar = make("div.share");
    rows.forEach((r, i) => {
        const part = make("i", {title: `${r.what}: ${Charts.duration(r.time_ns)}`});
        part.style.width = 100 * r.time_ns / total + "%";
        part.style.background = `var(--s${i % 8})`;
        bar.append(part);
    });
    s.append(bar);
    table(s, rows, [["What", "what"], ["Time", "time_ns", "t"], ["Share", "share", "r"], ["Events", "events", "n"]]);
}

// A card a kind of fault or wait: how many took how long, in powers of two of time from left to right.
function showLatencies() {
    const rows = list("latencies").filter(l => l.count && Array.isArray(l.buckets));
    if (!rows.length)
        return;
    const s = section("How long faults and waits took");
    const grid = make("div.latencies");
    s.append(grid);
    for (const l of rows) {
        const first = l.buckets[0].below_ns;
        const last = l.buckets[l.buckets.length - 1].below_ns;
        const most = Math.max(...l.buckets.map(b => b.count));
        const bars = make("div.bars");
        for (let below = first; below <= last; below *= 2) {
            const b = l.buckets.find(x => x.below_ns === below);
            const bar = make("i", {title: `${short(below / 2, "ns")} to ${short(below, "ns")}: ${grouped(b ? b.count : 0)}`});
            bar.style.height = b ? `${Math.max(2, 100 * b.count / most)}%` : "0";
            bars.append(bar);
        }
        grid.append(make("div.chart", make("h3", l.what),
            make("div.faint", `${grouped(l.count)}; half below ${short(l.half_below_ns, "ns")}, 99 % below `
                + `${short(l.p99_below_ns, "ns")}, longest ${short(l.most_ns, "ns")}`),
            bars, make("div.ends.faint", make("span", short(first / 2, "ns")), make("span", short(last, "ns")))));
    }
}

// Who read whose memory, as a square of nodes: the fuller a cell, the more of the row's references went there.
function showTraffic() {
    const rows = list("node_traffic");
    if (!rows.length)
        return;
    const s = section("Memory read across nodes");
    const froms = [...new Set(rows.map(r => r.cpu_node))];
    const tos = [...new Set(rows.map(r => r.memory_node))].sort((a, b) => a - b);
    const body = froms.map(from => make("tr", make("th", `CPUs of node ${from}`), ...tos.map(to => {
        const r = rows.find(x => x.cpu_node === from && x.memory_node === to);
        const cell = make("td.n.heat", r ? short(Number(r.share) * 100, "%") : "–",
            {title: `CPUs of node ${from}, memory of node ${to}: ${grouped(r ? r.references : 0)} references`});
        cell.style.setProperty("--share", `${r ? Number(r.share) * 100 : 0}%`);
        return cell;
    })));
    s.append(make("div.scroll", make("table.traffic", make("thead", make("tr", make("th", ""),
        ...tos.map(to => make("th.n", `memory of node ${to}`)))), make("tbody", ...body))),
    make("p.faint", "Of the references that missed the TLBs of a node's CPUs, the share whose data were on each node."));
}

function showTables() {
    const memory = key => t => t.memory && t.memory[key];
    if (list("tasks").length) {
        const s = section("Tasks");
        const ended = t => t.signal || (t.end === "exited" ? `exit ${t.exit_status}` : t.end);
        const always = [["Task", "name"], ["End", ended], ["CPU", "cpu", "n"], ["Start", "start_ns", "t"],
            ["Time", "time_ns", "t"], ["User", "user_ns", "t"], ["System", "system_ns", "t"]];
        const some = [["Faults", "fault_ns", "t"], ["Blocked", "blocked_ns", "t"], ["Waiting", "waiting_ns", "t"],
            ["Asleep", "asleep_ns", "t"], ["References", "references", "n"], ["Minor", "minor_faults", "n"],
            ["Major", "major_faults", "n"], ["Peak RSS", memory("rss_peak_kb"), "k"], ["Anon", memory("rss_anon_kb"), "k"],
            ["File", memory("rss_file_kb"), "k"], ["Swap", memory("swap_kb"), "k"], ["Tables", memory("page_tables_kb"), "k"]];
        const counted = ([, key]) => list("tasks").some(t => Number(typeof key === "function" ? key(t) : t[key]));
        table(s, list("tasks"), [...always, ...some.filter(counted)]);
    }
    showTimes();
    showTraffic();
    const wide = make("div.columns");
    page.append(wide);
    const part = (title, rows, spec) => {
        if (!rows.length)
            return;
        const s = make(spec.length > 6 ? "section.wide" : "section", make("h2", title));
        wide.append(s);
        table(s, rows, spec);
    };
    part("Faults by kind", list("faults_by_kind"), [["Kind", "kind"], ["Count", "count", "n"]]);
    part("TLB", list("tlb"), [["Level", "level", "n"], ["Array", "array"], ["Page", "page"], ["Hits", "hits", "n"],
        ["Misses", "misses", "n"], ["Miss rate", "miss_rate", "r"], ["Evictions", "evictions", "n"], ["Flushed", "flushed", "n"]]);
    part("Zones (pages)", list("memory_by_zone"), [["Node", "node", "n"], ["Zone", "zone"], ["Managed", "managed_pages", "p"],
        ["Free", "free_pages", "p"], ["Min", "min_pages", "p"], ["Low", "low_pages", "p"], ["High", "high_pages", "p"]]);
    part("Nodes", list("memory_by_node"), [["Node", "node", "n"], ["CPUs", "cpus"], ["Memory", "memory_bytes", "b"],
        ["Free", "free_bytes", "b"], ["Anon", "anon_bytes", "b"], ["File", "file_bytes", "b"],
        ["Local allocations", "local_allocs", "n"], ["Remote", "remote", "n"]]);
    part("Storage devices", list("storage_devices"), [["Device", "device"], ["Reads", "reads", "n"], ["Writes", "writes", "n"],
        ["Read", "read_bytes", "b"], ["Written", "written_bytes", "b"], ["Read wait", "r_await_ns", "t"],
        ["Write wait", "w_await_ns", "t"], ["Queue", "queue"], ["In use", "util", "r"], ["Errors", "errors", "n"]]);
    part("Policies", list("policies"), [["Domain", "domain"], ["Policy", "policy"], ["Origin", "origin"],
        ["Fallbacks", "fallbacks", "n"], ["First fallback", "first_fallback"]]);
}

function showExpectations() {
    const rows = list("expectations");
    const failed = list("failed_steps");
    if (!rows.length && !failed.length)
        return;
    const s = section("Expectations");
    if (rows.length)
        table(s, rows, [["Result", "result"], ["Counter", "counter"], ["At", "at"], ["Value", "value", "n"], ["Wanted", "wanted"],
            ["Where", "origin"]]);
    for (const f of failed)
        s.append(make("div.note", "Failed step: " + f));
}

function showMarkers() {
    const rows = list("markers").filter(m => m.marker);
    if (!rows.length)
        return;
    const s = section("Markers");
    for (const m of rows) {
        const changed = Object.entries(m.changed || {}).map(([name, [a, b]]) => ({name, a, b, by: b - a}));
        const d = make("details", make("summary", `${m.marker}`, make("span.faint",
            ` ${m.task ? `task ${m.task}, ` : ""}at ${m.time_ns === null ? "the end" : Charts.duration(m.time_ns)}: ${changed.length} counters changed since ${m.since || "the start"}`)));
        d.addEventListener("toggle", () => {
            if (d.open && d.childElementCount === 1)
                table(d, changed, [["Counter", "name"], ["Before", "a", "n"], ["Here", "b", "n"], ["Change", "by", "n"]]);
        });
        s.append(d);
    }
}

// ---- head and foot

// 0.000006 is nothing that one sees; "1 in 167 k" is.
const oneIn = ratio => ratio >= 0.01 ? String(Number(ratio.toPrecision(3))) : ratio > 0 ? `1 in ${short(1 / ratio)}` : "none";

function showHead() {
    const m = stats.machine || {};
    const r = stats.run || {};
    page.append(make("header", make("h1", "vmsim: " + run.name), make("span.faint",
        `${m.architecture}, Linux ${m.kernel}, ${m.cpus} CPU${m.cpus === 1 ? "" : "s"}, ${short(m.memory_bytes, "B")}, ${m.nodes || ""}`),
    make("span.spacer"), themeButton()));
    for (const note of run.notes)
        page.append(make("div.note", note));
    const met = list("expectations").filter(x => x.result === "ok").length;
    const killed = list("tasks").filter(t => t.signal).length;
    const walks = stats.page_walks || {};
    const cards = [
        ["virtual time", Charts.duration(r.virtual_time_ns || 0)],
        ["references", short(r.references)],
        ["minor faults", short(r.minor_faults)],
        ["major faults", short(r.major_faults)],
        ["walks a reference", oneIn(Number(walks.walks_per_reference || 0))],
        ["reclaimed", short(((stats.counters || {})["vmstat.pgsteal_kswapd"] || 0) * pageSize +
            ((stats.counters || {})["vmstat.pgsteal_direct"] || 0) * pageSize, "B")],
        ["swapped out", short(((stats.counters || {})["vmstat.pswpout"] || 0) * pageSize, "B")],
        ["tasks", grouped(list("tasks").length) + (killed ? `, ${killed} killed` : "")],
    ];
    const box = make("div.cards", ...cards.map(([name, value]) => make("div.card", make("b", value), make("span.faint", name))));
    if (list("expectations").length) {
        const all = list("expectations").length;
        box.prepend(make(met === all ? "div.card.good" : "div.card.bad", make("b", `${met} of ${all}`), make("span.faint", "expectations hold")));
    }
    page.append(box);
    for (const text of list("not_simulated"))
        page.append(make("p.faint", `${text} (docs/model.md).`));
}

function showFoot() {
    const s = section("How to get this run again");
    const traces = run.inputs.length ? " -I TRACES" : "";
    s.append(make("pre", `vmsim run ${run.name}/resolved.yaml${traces} -o again        # vmsim ${stats.vmsim}` +
        (run.commit ? `, commit ${run.commit}` : "")));
    if (run.inputs.length)
        table(s, run.inputs, [["Input", "path"], ["Size", "size_bytes", "b"], ["XXH64", "xxh64"]]);
    s.append(make("details", make("summary", "The whole configuration (resolved.yaml)"), make("pre", run.resolved)));
}

// ---- report.html#200ms-260ms opens where something happened; so a place can be written down

function spanOfAddress() {
    const found = location.hash.match(/([\d.]+)(ns|us|ms|s)-([\d.]+)(ns|us|ms|s)(?![a-z])/);
    const ns = {ns: 1, us: 1e3, ms: 1e6, s: 1e9};
    const span = found && [Number(found[1]) * ns[found[2]], Number(found[3]) * ns[found[4]]];
    return span && span[0] < span[1] ? span : null;
}

function zoomToAddress() {
    const span = spanOfAddress();
    if (span)
        Charts.zoom(span[0], span[1]);
}

// ---- a test of the page in a browser: report.html#test does what a reader does, and says what came of it

function selfTest() {
    const said = [];
    const check = (what, holds) => { if (!holds) said.push(what); };
    const span = spanOfAddress();
    if (span) {
        setTimeout(() => {
            const x = Charts.all.map(c => c.plot.scales.x);
            check("the address says where", x.length && x.every(s => s.min === span[0] && s.max === span[1]));
            root.dataset.test = said.length ? "FAILED: " + said.join(", ") : "ok";
        }, 20);
    } else if (Charts.all.length) {
        const plots = Charts.all.map(c => c.plot);
        const middle = time[Math.floor(time.length / 2)];
        Charts.zoom(time[0], middle);
        setTimeout(() => {
            check("zoom is shared", plots.every(p => p.scales.x.max === middle));
            const over = plots[0].over.getBoundingClientRect();
            const at = {bubbles: true, clientX: over.left + over.width / 2, clientY: over.top + 20};
            plots[0].over.dispatchEvent(new MouseEvent("mouseenter", at));
            plots[0].over.dispatchEvent(new MouseEvent("mousemove", at));
            const row = plots[0].cursor.idx;
            check("the cursor shows values", row > 0);
            check("the cursor is shared", plots.every(p => p.cursor.idx === row));
            document.getElementById("theme").click();
            check("a theme keeps the zoom", Charts.all.every(c => c.plot));
            setTimeout(() => {
                check("zoom outlives a redraw", Charts.all.every(c => c.plot.scales.x.max === middle));
                document.getElementById("whole").click();
                setTimeout(() => {
                    check("the whole run again", Charts.all.every(c => c.plot.scales.x.max === time[time.length - 1]));
                    root.dataset.test = said.length ? "FAILED: " + said.join(", ") : "ok";
                }, 20);
            }, 20);
        }, 20);
    } else {
        root.dataset.test = "ok";
    }
    const slider = document.getElementById("blocks");
    if (slider) {
        const canvas = slider.closest("section").querySelector("canvas");
        const end = [canvas.toDataURL(), document.getElementById("blocks-time").textContent];
        slider.value = 0;
        slider.dispatchEvent(new Event("input"));
        check("the slider changes the map", canvas.toDataURL() !== end[0]);
        check("the slider changes the time", document.getElementById("blocks-time").textContent !== end[1]);
    }
    const faults = document.getElementById("faults");
    if (faults) {
        const box = faults.getBoundingClientRect();
        const says = faults.nextElementSibling;
        const hint = says.textContent;
        faults.dispatchEvent(new MouseEvent("mousemove", {clientX: box.left + box.width / 2, clientY: box.top + 2}));
        check("a place in the map of faults is told", / faults from .* to /.test(says.textContent));
        faults.dispatchEvent(new MouseEvent("mouseleave"));
        check("and no longer", says.textContent === hint);
    }
    const head = document.querySelector("th.sort.n");
    if (head) {
        head.click();
        check("tables sort", head.getAttribute("aria-sort") === "descending");
    }
}

showHead();
showExpectations();
showSeries();
showTaskMap();
showFaultMap();
showBlocks();
showLatencies();
showTables();
showMarkers();
showFoot();
window.addEventListener("resize", () => { Charts.resize(); redraws.forEach(f => f()); });
window.addEventListener("hashchange", zoomToAddress);
zoomToAddress();
root.dataset.ready = `${Charts.all.length} charts`;
if (location.hash.includes("test"))
    selfTest();
