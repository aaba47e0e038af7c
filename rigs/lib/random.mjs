/** Random numbers from a seed: the same seed, the same numbers (sfc32). */
export class Random {
  #a = 0x9e3779b9
  #b = 0x243f6a88
  #c
  #d = 1

  constructor(seed) {
    this.seed = seed
    this.#c = seed | 0
    for (let n = 0; n < 12; n++) this.#word()
  }

  #word() {
    const sum = (this.#a + this.#b + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }

  /** From 0 up to, not including, 1. */
  unit() {
    return this.#word() / 2 ** 32
  }

  /** A whole number, both ends included. */
  between(least, most) {
    return least + Math.floor(this.unit() * (most - least + 1))
  }

  chance(share) {
    return this.unit() < share
  }

  pick(list) {
    return list[this.between(0, list.length - 1)]
  }

  /** A seed for something of its own. */
  fork() {
    return new Random(this.#word())
  }
}
