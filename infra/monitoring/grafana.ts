/** A dashboard as it is written down here, and what Grafana wants of it. */
export interface Dashboard {
  uid: string;
  title: string;
  /** The metric whose `region` labels are offered for choice. */
  regionsOf: string;
  rows: readonly Row[];
}

export interface Row {
  title: string;
  panels: readonly Panel[];
}

export interface Panel {
  title: string;
  /** One of Grafana's units: `s`, `reqps`, `percentunit`, ... */
  unit: string;
  /** What it means; Grafana shows it beside the title. */
  doc: string;
  queries: readonly { expr: string; legend: string }[];
}

const columns = 3;
const [width, height] = [24 / columns, 8];
const datasource = { type: 'prometheus', uid: '$' + '{datasource}' }; // Grafana's variable, and no template of ours

/** The dashboard as Grafana imports it: JSON, in the form of schema version 39 (Grafana 10.3 and newer). */
export function render(dashboard: Dashboard): string {
  const panels: object[] = [];
  let y = 0;
  for (const row of dashboard.rows) {
    panels.push({
      ...{ id: panels.length + 1, type: 'row', title: row.title, collapsed: false, panels: [] },
      gridPos: { h: 1, w: 24, x: 0, y },
    });
    y += 1;
    for (const [at, panel] of row.panels.entries()) {
      const place = { x: (at % columns) * width, y: y + Math.floor(at / columns) * height };
      panels.push(renderPanel(panel, panels.length + 1, place));
    }
    y += Math.ceil(row.panels.length / columns) * height;
  }
  const { uid, title, regionsOf } = dashboard;
  const document = {
    ...{ uid, title, tags: ['spokecast'], schemaVersion: 39, version: 1, editable: true, refresh: '30s' },
    ...{ time: { from: 'now-1h', to: 'now' }, timezone: 'browser', graphTooltip: 1 },
    templating: { list: [datasourceVariable, regionVariable(regionsOf)] },
    panels,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function renderPanel(
  { title, unit, doc, queries }: Panel,
  id: number,
  { x, y }: { x: number; y: number },
): object {
  return {
    ...{ id, type: 'timeseries', title, description: doc, datasource },
    gridPos: { h: height, w: width, x, y },
    fieldConfig: { defaults: { unit, custom: { fillOpacity: 8, showPoints: 'never' } }, overrides: [] },
    options: {
      legend: { displayMode: 'list', placement: 'bottom' },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: queries.map(({ expr, legend }, at) => ({
      ...{ datasource, expr, legendFormat: legend, refId: String.fromCharCode(65 + at), range: true },
    })),
  };
}

const datasourceVariable = {
  name: 'datasource',
  label: 'Prometheus',
  type: 'datasource',
  query: 'prometheus',
};

function regionVariable(metric: string): object {
  const query = `label_values(${metric}, region)`;
  return {
    ...{ name: 'region', label: 'Region', type: 'query', datasource, definition: query },
    query: { query, refId: 'regions' },
    ...{
      includeAll: true,
      multi: true,
      allValue: '.*',
      current: { text: 'All', value: '$__all' },
      refresh: 2,
    },
  };
}
