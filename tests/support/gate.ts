/**
 * Holds whatever passes through it until it is opened, so that a test decides who comes first.
 *
 * `await gate.reached(1)` waits until somebody stands before it: the proof that the hazard really happens.
 */
export class Gate {
  #open = false;
  #arrived = 0;
  readonly #changed: (() => void)[] = [];

  /** Resolves once the gate is open. */
  async pass(): Promise<void> {
    this.#arrived += 1;
    this.#notify();
    while (!this.#open) await this.#change();
  }

  /** Lets everyone through, those who come later too. */
  open(): void {
    this.#open = true;
    this.#notify();
  }

  close(): void {
    this.#open = false;
  }

  /** How many have come to the gate so far, held or not. */
  get arrived(): number {
    return this.#arrived;
  }

  wasHit(): boolean {
    return this.#arrived > 0;
  }

  /** Resolves once `count` have come to the gate. */
  async reached(count = 1): Promise<void> {
    while (this.#arrived < count) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  #notify(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }
}
