/** A gateway's metrics without the region that every number of it carries as its last label. */
export function withoutRegion(text: string): string {
  return text.replaceAll(/,?region="[^"]*"/g, '').replaceAll('{}', '');
}
