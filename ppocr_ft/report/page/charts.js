// Line charts of the tables that are embedded as JSON. Charts of one table share their x axis and
// their cursor. No library, no network.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const USUAL_HEIGHT = 190;
  const MARGIN = { left: 52, right: 12, top: 10, bottom: 26 };
  const charts = [];

  const colorOf = (series, index) => (series.color ?? index) % 8;
  const lang = () => (document.documentElement.dataset.lang === "zh" ? 1 : 0);

  function readTable(name) {
    const { columns, rows } = JSON.parse(document.getElementById(`data-${name}`).textContent);
    return { rows, at: (row, column) => row[columns.indexOf(column)] };
  }

  // Points [x, y] of a series; of several rows at one x the first, or the one with the highest y.
  function pointsOf(table, xColumn, series) {
    const points = new Map();
    for (const row of table.rows) {
      const y = table.at(row, series.column);
      if (series.kind && table.at(row, "kind") !== series.kind) continue;
      if (typeof y !== "number") continue;
      const x = table.at(row, xColumn);
      const known = points.get(x);
      if (known === undefined || (series.pick === "best" && y > known)) points.set(x, y);
      else if (!series.pick) points.set(x, y);
    }
    return [...points].sort((a, b) => a[0] - b[0]);
  }

  function element(parent, name, attributes = {}, text = "") {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    parent.append(made);
    return made;
  }

  function ticks(low, high, count) {
    const raw = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw * 0.999);
    const first = Math.ceil(low / step - 1e-9);
    const found = [];
    for (let i = first; i * step <= high + step * 1e-6; i += 1) found.push(i * step);
    return found;
  }

  function format(value) {
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size < 0.001 || size >= 1e6) return value.toExponential(2).replace(/\.?0+e/, "e");
    return String(Number(value.toPrecision(4)));
  }

  const shown = (chart, value) => (chart.spec.digits ? value.toFixed(chart.spec.digits) : format(value));

  function yRange(chart) {
    const all = chart.series.flatMap((series) => series.points.map((point) => point[1]));
    let low = Math.min(...all);
    let high = Math.max(...all);
    if (chart.spec.zero && low >= 0) low = 0;
    const pad = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return [chart.spec.zero && low === 0 ? 0 : low - pad, high + pad];
  }

  function scales(chart, width) {
    const [x0, x1] = chart.group.range;
    const [y0, y1] = yRange(chart);
    const across = width - MARGIN.left - MARGIN.right;
    const down = chart.height - MARGIN.top - MARGIN.bottom;
    return {
      y0,
      y1,
      x: (value) => MARGIN.left + ((value - x0) / (x1 - x0 || 1)) * across,
      y: (value) => MARGIN.top + (1 - (value - y0) / (y1 - y0)) * down,
      value: (px) => x0 + ((px - MARGIN.left) / across) * (x1 - x0),
    };
  }

  function drawAxes(svg, chart, scale, width) {
    const [x0, x1] = chart.group.range;
    const bottom = chart.height - MARGIN.bottom;
    for (const value of ticks(scale.y0, scale.y1, 4)) {
      const y = scale.y(value);
      element(svg, "line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y });
      element(svg, "text", { class: "tick", x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, format(value));
    }
    const whole = chart.spec.x === "step";
    for (const value of ticks(x0, x1, Math.max(2, Math.floor(width / 65)))) {
      if (whole && !Number.isInteger(value)) continue;
      const x = scale.x(value);
      element(svg, "line", { class: "grid", x1: x, x2: x, y1: MARGIN.top, y2: bottom });
      element(svg, "text", { class: "tick", x, y: bottom + 17, "text-anchor": "middle" }, format(value));
    }
    if (chart.spec.mark !== undefined) {
      const x = scale.x(chart.spec.mark);
      element(svg, "line", { class: "mark", x1: x, x2: x, y1: MARGIN.top, y2: bottom });
    }
  }

  function drawSeries(svg, chart, scale) {
    chart.series.forEach((series, index) => {
      const place = ([x, y]) => `${scale.x(x).toFixed(1)},${scale.y(y).toFixed(1)}`;
      const path = element(svg, "path", {
        class: `line s${colorOf(series, index)}${series.dashed ? " dashed" : ""}`,
        d: series.points.length ? `M${series.points.map(place).join("L")}` : "",
      });
      path.dataset.column = series.column;
      if (series.dots || series.points.length === 1) {
        for (const [x, y] of series.points) {
          element(svg, "circle", { class: `dot s${colorOf(series, index)}`, cx: scale.x(x), cy: scale.y(y), r: 3 });
        }
      }
    });
  }

  function draw(chart) {
    const width = Math.max(chart.plot.clientWidth, 200);
    const scale = scales(chart, width);
    const svg = document.createElementNS(SVG, "svg");
    for (const [key, value] of Object.entries({ viewBox: `0 0 ${width} ${chart.height}`, width, height: chart.height, role: "img", tabindex: 0 })) {
      svg.setAttribute(key, value);
    }
    drawAxes(svg, chart, scale, width);
    drawSeries(svg, chart, scale);
    chart.cursor = element(svg, "g", { class: "cursor" });
    Object.assign(chart, { svg, scale, width });
    chart.plot.replaceChildren(svg);
    svg.addEventListener("pointermove", (event) => point(chart, event));
    svg.addEventListener("pointerdown", (event) => point(chart, event));
    svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && select(chart.group, chart.group.home));
    svg.addEventListener("keydown", (event) => move(chart.group, event));
    show(chart);
  }

  function point(chart, event) {
    const box = chart.svg.getBoundingClientRect();
    const wanted = chart.scale.value(((event.clientX - box.left) / box.width) * chart.width);
    const near = (a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a);
    select(chart.group, chart.group.xs.reduce(near));
  }

  function move(group, event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") select(group, group.home);
    if (!step) return;
    event.preventDefault();
    const last = group.xs.length - 1;
    const at = group.at === null ? (step > 0 ? -1 : last + 1) : group.xs.indexOf(group.at);
    select(group, group.xs[Math.min(Math.max(at + step, 0), last)]);
  }

  function select(group, x) {
    group.at = x;
    charts.filter((chart) => chart.group === group).forEach(show);
  }

  // The last point at or before x, or the last of all.
  function valueAt(series, x) {
    const before = x === null ? series.points : series.points.filter((each) => each[0] <= x + 1e-9);
    return before.length ? before[before.length - 1] : null;
  }

  function show(chart) {
    const at = chart.group.at;
    chart.cursor.replaceChildren();
    if (at !== null) {
      const x = chart.scale.x(at);
      element(chart.cursor, "line", { x1: x, x2: x, y1: MARGIN.top, y2: chart.height - MARGIN.bottom });
    }
    const items = chart.series.map((series, index) => {
      const found = valueAt(series, at);
      if (at !== null && found) {
        element(chart.cursor, "circle", { class: `dot s${colorOf(series, index)}`, cx: chart.scale.x(found[0]), cy: chart.scale.y(found[1]), r: 4.5 });
      }
      return legendItem(chart, series, index, found);
    });
    const place = document.createElement("span");
    place.className = "place";
    const name = chart.spec.x === "step" ? ["step", "步"][lang()] : chart.spec.x;
    const last = ["last values", "末值"][lang()];
    place.textContent = at === null ? last : `${name} ${format(at)}`;
    chart.legend.replaceChildren(place, ...items);
    chart.svg.setAttribute("aria-label", describe(chart));
  }

  function legendItem(chart, series, index, found) {
    const item = document.createElement("span");
    item.className = "item";
    const swatch = document.createElement("i");
    swatch.className = `swatch s${colorOf(series, index)}${series.dashed ? " dashed" : ""}`;
    const value = document.createElement("b");
    value.textContent = found ? shown(chart, found[1]) : "–";
    item.append(swatch, `${series.label[lang()]} `, value);
    return item;
  }

  function describe(chart) {
    const from = ["from", "从"][lang()];
    const to = ["to", "到"][lang()];
    const parts = chart.series.filter((series) => series.points.length).map((series) => {
      const values = series.points.map((each) => each[1]);
      return `${series.label[lang()]} ${from} ${shown(chart, values[0])} ${to} ${shown(chart, values[values.length - 1])}`;
    });
    return `${chart.spec.title[lang()]}: ${parts.join("; ")}`;
  }

  const groups = {};
  for (const node of document.querySelectorAll(".chart")) {
    const spec = JSON.parse(node.querySelector(".spec").textContent);
    const group = (groups[spec.table] ??= { table: readTable(spec.table), xs: [], range: [0, 1], at: null, home: null });
    const series = spec.series.map((each) => ({ ...each, points: pointsOf(group.table, spec.x, each) }));
    const plot = node.querySelector(".plot");
    if (spec.mark !== undefined) group.home = spec.mark;
    charts.push({ height: spec.height ?? USUAL_HEIGHT, name: spec.name, spec, group, series, plot, legend: node.querySelector(".legend") });
  }
  for (const [name, group] of Object.entries(groups)) {
    const own = charts.filter((chart) => chart.spec.table === name);
    const xs = new Set(own.flatMap((chart) => chart.series.flatMap((each) => each.points.map((p) => p[0]))));
    group.xs = [...xs].sort((a, b) => a - b);
    group.at = group.home;
    if (group.xs.length) group.range = [group.xs[0], group.xs[group.xs.length - 1]];
  }
  const drawn = charts.filter((chart) => chart.series.some((series) => series.points.length));
  const drawAll = () => drawn.forEach(draw);
  drawAll();
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) {
      width = window.innerWidth;
      drawAll();
    }
  });
  document.addEventListener("languagechange-of-page", () => drawn.forEach(show));
  window.reportCharts = charts;
})();
