/** The longest from the commit of a change to its announcement that was seen since somebody last asked. */
export class LongestLag {
  #ms: number | undefined;

  saw(ms: number): void {
    this.#ms = Math.max(this.#ms ?? 0, ms);
  }

  /** Undefined where nothing arrived since. */
  take(): number | undefined {
    const ms = this.#ms;
    this.#ms = undefined;
    return ms;
  }
}
