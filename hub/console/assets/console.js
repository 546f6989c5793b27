/*
 * What pages cannot do without a script: draw the plot, copy a secret, put typed text back after signing in again.
 * Everything else works without it.
 */
(() => {
  const draftsKey = 'spokecast-draft';
  const colours = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];

  const chosen = /spokecast-theme=(light|dark)/.exec(document.cookie)?.[1];
  if (chosen && !document.documentElement.dataset.theme) document.documentElement.dataset.theme = chosen;

  /** The colour that a variable stands for in the theme of this moment, in a form that a canvas knows. */
  function css(name) {
    const probe = document.createElement('i');
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  }

  function milliseconds(value) {
    if (value === null || value === undefined) return '–';
    return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
  }

  /** A minute of today or yesterday, in UTC as all times here are. */
  function minute(seconds) {
    return seconds === null || seconds === undefined
      ? '–'
      : new Date(seconds * 1000).toISOString().slice(11, 16);
  }

  function draw(place) {
    const { at, series } = JSON.parse(place.dataset.plot);
    const dashes = [[], [8, 4], [2, 3]];
    const axis = {
      stroke: css('--soft-text'),
      grid: { stroke: css('--line'), width: 1 },
      ticks: { stroke: css('--line'), width: 1 },
    };
    place.replaceChildren();
    const plot = new uPlot(
      {
        width: Math.max(240, place.clientWidth),
        height: 220,
        padding: [null, 32, null, null], // half of the last label
        scales: { y: { range: (_plot, _least, most) => [0, Math.max(most ?? 0, 100)] } },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map(minute) },
          { ...axis, size: 64, values: (_, ticks) => ticks.map(milliseconds) },
        ],
        series: [
          { label: 'UTC', value: (_, seconds) => minute(seconds) },
          ...series.map(({ region }, index) => ({
            label: region,
            stroke: css(colours[index % colours.length]),
            dash: dashes[Math.floor(index / colours.length) % dashes.length],
            width: 2,
            points: { size: 4 },
            value: (_, value) => milliseconds(value),
          })),
        ],
      },
      [at, ...series.map(({ lags }) => lags)],
      place,
    );
    new ResizeObserver(() => plot.setSize({ width: Math.max(240, place.clientWidth), height: 220 })).observe(
      place,
    );
  }

  function drawAll() {
    for (const place of document.querySelectorAll('[data-plot]:not([data-drawn])')) {
      place.dataset.drawn = '';
      draw(place);
    }
  }

  function offerCopying() {
    for (const button of document.querySelectorAll('button[data-copy]')) {
      button.hidden = false;
      button.addEventListener('click', async () => {
        await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
        button.textContent = 'Copied';
      });
    }
  }

  /** On the page that says that the session has ended: keeps what was typed until the form is open again. */
  function keepDraft() {
    const form = document.querySelector('form[data-draft]');
    if (!form) return;
    const fields = [...new FormData(form).entries()];
    sessionStorage.setItem(draftsKey, JSON.stringify({ page: form.dataset.draft, fields }));
  }

  function restoreDraft() {
    const draft = JSON.parse(sessionStorage.getItem(draftsKey) ?? 'null');
    if (draft?.page !== location.pathname + location.search) return;
    const form = document.querySelector('main form.form');
    if (!form) return;
    sessionStorage.removeItem(draftsKey);
    const values = new Map(draft.fields);
    for (const field of form.elements) {
      if (!field.name || field.type === 'submit' || field.type === 'hidden') continue;
      if (field.type === 'checkbox') field.checked = values.get(field.name) === field.value;
      else if (values.has(field.name)) field.value = values.get(field.name);
      if (field.value && field.closest('details') && field.type !== 'checkbox')
        field.closest('details').open = true;
    }
    // What the form was made of by then is what the next saving is compared with.
    for (const name of ['ifMatch', 'given'])
      if (values.has(name) && form.elements[name]) form.elements[name].value = values.get(name);
    const said = document.createElement('div');
    said.className = 'notice good';
    said.setAttribute('role', 'status');
    said.textContent = 'What you typed before your session ended is back in the form. It is not saved yet.';
    form.before(said);
  }

  document.addEventListener('htmx:after:swap', drawAll);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    for (const place of document.querySelectorAll('[data-plot]')) draw(place);
  });
  keepDraft();
  restoreDraft();
  offerCopying();
  drawAll();
  document.querySelector('[aria-invalid="true"]')?.focus();
})();
