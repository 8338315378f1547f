(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var charts = [];
  var whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  var short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  var exact = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

  function size(bytes) {
    var units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"], unit = 0;
    while (bytes >= 999.5 && unit < units.length - 1) { bytes /= 1000; unit += 1; }
    return new Intl.NumberFormat("en", { maximumSignificantDigits: 3 }).format(bytes) + " " + units[unit];
  }

  // Of a run that took total seconds: "2.5 s", "1:05" or "1:00:00".
  function clock(seconds, total) {
    if (total < 60) { return seconds + " s"; }
    var s = Math.round(seconds), h = Math.floor(s / 3600), m = Math.floor(s / 60) % 60;
    var two = function (n) { return (n < 10 ? "0" : "") + n; };
    return h ? h + ":" + two(m) + ":" + two(s % 60) : m + ":" + two(s % 60);
  }

  function theme() {
    var style = getComputedStyle(document.documentElement);
    var value = function (name) { return style.getPropertyValue(name).trim(); };
    var colors = [];
    for (var i = 0; i < 8; i += 1) { colors.push(value("--c" + i)); }
    return { ink: value("--ink"), soft: value("--soft"), grid: value("--grid"), paper: value("--paper"), colors: colors };
  }

  function axis(look, label, format, stacked) {
    return {
      stacked: stacked, beginAtZero: true, border: { display: false },
      grid: { color: look.grid, drawTicks: false },
      ticks: { color: look.soft, padding: 8, maxTicksLimit: 6, callback: function (value) { return format(value); } },
      title: { display: Boolean(label), text: label, color: look.soft }
    };
  }

  // A tick of such an axis is given its number, not its label.
  function category(look, stacked, tick) {
    var label = function (value) {
      var text = this.getLabelForValue(value);
      return tick ? tick(text) : text;
    };
    return {
      stacked: stacked, border: { color: look.grid }, grid: { display: false },
      ticks: { color: look.soft, autoSkip: true, autoSkipPadding: 14, maxRotation: 0, callback: label }
    };
  }

  function options(look, more) {
    var tooltip = {
      backgroundColor: look.ink, titleColor: look.paper, bodyColor: look.paper, footerColor: look.paper, padding: 10,
      cornerRadius: 6, boxPadding: 5, usePointStyle: true, callbacks: more.callbacks || {},
      filter: more.filter
    };
    return {
      animation: false, responsive: true, maintainAspectRatio: false, indexAxis: more.indexAxis || "x",
      interaction: { mode: "index", intersect: false, axis: more.indexAxis || "x" },
      plugins: { legend: { display: false }, tooltip: tooltip },
      scales: more.scales
    };
  }

  function draw(id, make) {
    var canvas = document.getElementById("chart-" + id);
    if (canvas) { charts.push(new Chart(canvas, make)); }
  }

  function throughput(look, id, key, unit) {
    if (!data.throughput) { return; }
    var seconds = data.throughput.seconds;
    if (!seconds.length) { return; }
    var right = axis(look, "workers", function (v) { return whole.format(v); }, false);
    right.position = "right";
    right.grid.drawOnChartArea = false;
    right.ticks.precision = 0;
    draw(id, {
      type: "line",
      data: {
        labels: seconds.map(function (at) { return clock(at, seconds[seconds.length - 1]); }),
        datasets: [{
          label: "workers", data: data.throughput.workers, yAxisID: "workers", stepped: "before", fill: false,
          borderColor: look.ink, backgroundColor: look.ink, borderWidth: 1.5, borderDash: [5, 4], pointRadius: 0
        }].concat(data.throughput.series.map(function (series, number) {
          var color = look.colors[number % 8];
          return {
            label: series.name, data: series[key], fill: true, borderColor: color, backgroundColor: color + "b3",
            borderWidth: 1, pointRadius: seconds.length > 1 ? 0 : 4, pointHitRadius: 8, cubicInterpolationMode: "monotone"
          };
        }))
      },
      options: options(look, {
        scales: {
          x: category(look, true), y: axis(look, unit, function (v) { return short.format(v); }, true), workers: right
        },
        callbacks: {
          label: function (item) {
            var of = item.dataset.yAxisID ? "" : " " + unit;
            return " " + item.dataset.label + ": " + exact.format(item.parsed.y) + of;
          },
          footer: function (items) {
            var rates = items.filter(function (item) { return !item.dataset.yAxisID; });
            var sum = rates.reduce(function (total, item) { return total + item.parsed.y; }, 0);
            return rates.length > 1 ? "all: " + exact.format(sum) + " " + unit : "";
          }
        }
      })
    });
  }

  function shares(look) {
    if (!data.share) { return; }
    var lying = data.share.clients.length <= 12;
    var key = data.share.key;
    var amount = function (v) { return key === "bytes" ? size(v) : short.format(v); };
    var names = data.share.clients;
    var clip = function (name) {
      return name.length > 18 ? name.slice(0, 8) + "…" + name.slice(-9) : name;
    };
    var across = category(look, true, clip);
    across.ticks.autoSkip = !lying;
    var along = axis(look, "", amount, true);
    draw("share", {
      type: "bar",
      data: {
        labels: names,
        datasets: data.share.mounts.map(function (mount, number) {
          return { label: mount.name, data: mount.amounts, backgroundColor: look.colors[number % 8], maxBarThickness: 34, borderWidth: 0 };
        })
      },
      options: options(look, {
        indexAxis: lying ? "y" : "x",
        scales: lying ? { x: along, y: across } : { x: across, y: along },
        filter: function (item) { return item.raw > 0; },
        callbacks: {
          label: function (item) { return " " + item.dataset.label + ": " + (key === "bytes" ? size(item.raw) : whole.format(item.raw) + " files"); }
        }
      })
    });
  }

  function histogram(look, id, buckets, key, format, color) {
    if (!buckets.length) { return; }
    draw(id, {
      type: "bar",
      data: {
        labels: buckets.map(function (bucket) { return bucket.label; }),
        datasets: [{
          data: buckets.map(function (bucket) { return bucket[key]; }), backgroundColor: look.colors[color],
          barPercentage: 1, categoryPercentage: 0.9, borderRadius: 2
        }]
      },
      options: options(look, {
        scales: { x: category(look, false), y: axis(look, "", format, false) },
        callbacks: {
          title: function (items) { return buckets[items[0].dataIndex].title; },
          label: function (item) {
            var bucket = buckets[item.dataIndex];
            return " " + whole.format(bucket.files) + (bucket.files === 1 ? " file, " : " files, ") + size(bucket.bytes);
          }
        }
      })
    });
  }

  // Rates by a number that was raised: the mean of its trials, and in the tooltip all of them.
  function curve(look, each) {
    var format = function (v) { return short.format(v); };
    var across = axis(look, each.label, format, false);
    across.type = "linear";
    across.ticks.precision = 0;
    var point = function (p) { return { x: p[0], y: p[1] }; };
    draw(each.name, {
      type: "line",
      data: {
        datasets: [{
          label: each.unit, data: each.points.map(point), borderColor: look.colors[0],
          backgroundColor: look.colors[0], borderWidth: 2, pointRadius: 4, pointHitRadius: 12, tension: 0
        }]
      },
      options: options(look, {
        scales: { x: across, y: axis(look, each.unit, format, false) },
        callbacks: {
          title: function (items) { return whole.format(items[0].parsed.x) + " " + each.label; },
          label: function (item) {
            var p = each.points[item.dataIndex];
            return " " + exact.format(p[1]) + " " + each.unit + " (" + exact.format(p[2]) + " to " + exact.format(p[3]) + ")";
          }
        }
      })
    });
  }

  function histograms(look, name, buckets) {
    histogram(look, name + "-files", buckets, "files", function (v) { return short.format(v); }, 0);
    histogram(look, name + "-bytes", buckets, "bytes", size, 2);
  }

  function drawAll() {
    var look = theme();
    charts.forEach(function (chart) { chart.destroy(); });
    charts = [];
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 12;
    throughput(look, "rate-files", "files", "files/s");
    throughput(look, "rate-bytes", "bytes", "MB/s");
    shares(look);
    histograms(look, "sizes", data.histogram || []);
    Object.keys(data.bars || {}).forEach(function (name) { histograms(look, name, data.bars[name]); });
    (data.curves || []).forEach(function (each) { curve(look, each); });
    document.documentElement.dataset.charts = String(charts.length);
  }

  document.documentElement.classList.remove("no-script");
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  // Paper is always light, and not as wide as the window.
  matchMedia("print").addEventListener("change", drawAll);
})();
