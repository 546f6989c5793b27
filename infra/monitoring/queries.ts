/** `{region=~"$region"}` and more: what every query of a region's numbers is narrowed to. */
export const here = (more = '') => `{region=~"$region"${more === '' ? '' : `,${more}`}}`;
export const rate = (metric: string, more = '') => `rate(${metric}${here(more)}[$__rate_interval])`;
export const quantile = (q: number, metric: string, by: string, more = '') =>
  `histogram_quantile(${q}, sum by (${by}, le) (${rate(`${metric}_bucket`, more)}))`;
