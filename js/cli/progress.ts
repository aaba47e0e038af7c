/** One line on the terminal that is written again and again; nothing where there is no terminal. */
const EVERY_MS = 100
const BAR = 24

export class Progress {
  readonly #isShown = process.stderr.isTTY && process.env.TERM !== 'dumb'
  readonly #begun = performance.now()
  #drawn = -Infinity

  /** `part` of the whole, 0 to 1, or undefined where nobody knows the whole. */
  show(part: number | undefined, words: (seconds: number) => string): void {
    const now = performance.now()
    if (!this.#isShown || now - this.#drawn < EVERY_MS) return
    this.#drawn = now
    const full = Math.round(BAR * Math.min(1, part ?? 0))
    const bar = part === undefined ? '' : `[${'#'.repeat(full)}${'-'.repeat(BAR - full)}] ${String(Math.floor(part * 100)).padStart(3)} %  `
    const line = `${bar}${words((now - this.#begun) / 1_000)}`
    process.stderr.write(`\r\u001b[K${line.slice(0, process.stderr.columns - 1)}`)
  }

  clear(): void {
    if (!this.#isShown || this.#drawn === -Infinity) return
    process.stderr.write('\r\u001b[K')
    this.#drawn = -Infinity
  }
}
