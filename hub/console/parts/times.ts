/** What a field for a time gave, as the API takes it: without a zone it is UTC. */
export function asTime(text: string): string {
  return /(Z|[+-]\d\d:\d\d)$/i.test(text) ? text : `${text.length === 16 ? `${text}:00` : text}Z`;
}

/** A time as such a field takes it: UTC, to the minute. */
export function toField(iso: string | null): string {
  return iso?.slice(0, 16) ?? '';
}
