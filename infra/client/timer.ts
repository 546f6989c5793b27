/** Calls `fn` after `ms`; what it returns keeps it from that. The client stands alone, so its timers are its own. */
export function startTimer(ms: number, fn: () => void): () => void {
  const timer = setTimeout(fn, ms);
  return () => clearTimeout(timer);
}
