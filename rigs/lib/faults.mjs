// Calls of the C library that fail in an application: what rigs/lib/faults.c does, told from here.
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { tool } from './tools.mjs'

const source = join(dirname(fileURLToPath(import.meta.url)), 'faults.c')

// The order of faults.c.
const CALLS = ['fsync', 'fdatasync', 'pwrite', 'write', 'open', 'ftruncate']
const FILES = ['none', 'main', 'log', 'shared', 'other', 'any']
const [SLOTS, SLOT_WORDS, TIMES] = [4, 6, 4096]
const WORD = 8
const SEEN = SLOTS * SLOT_WORDS
const FAILED = SEEN + CALLS.length * (FILES.length - 1)
const WORDS = FAILED + 1 + TIMES

export const ERRORS = { EINTR: 4, EIO: 5, ENOSPC: 28, half: -1, silent: -2 }
/** How many times a lasting fault is made: more than anybody tries. */
export const FOR_EVER = 2 ** 40

/** Builds the library; resolves with its file. */
export async function buildFaults(folder) {
  const library = join(folder, 'faults.so')
  await tool('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', '-o', library, source, '-ldl'])
  return library
}

/** What an application is to be done to. */
export class Board {
  #fd

  constructor(file, library) {
    this.#fd = openSync(file, 'w+')
    writeSync(this.#fd, Buffer.alloc(WORDS * WORD))
    this.env = (outbox) => ({ LD_PRELOAD: library, HL7_RIG_FAULTS_BOARD: file, HL7_RIG_FAULTS_OUTBOX: outbox })
  }

  #write(word, ...values) {
    writeSync(this.#fd, Buffer.from(BigInt64Array.from(values, BigInt).buffer), 0, values.length * WORD, word * WORD)
  }

  #read(word, count) {
    const bytes = Buffer.alloc(count * WORD)
    readSync(this.#fd, bytes, 0, bytes.length, word * WORD)
    return Array.from({ length: count }, (_, n) => Number(bytes.readBigInt64LE(n * WORD)))
  }

  /** Faults to make from now on, at most four: `{ call, file, error, after, times }`. */
  set(faults) {
    this.clear()
    for (const [n, { call, file, error, after = 0, times = 1 }] of faults.entries()) {
      this.#write(n * SLOT_WORDS + 1, CALLS.indexOf(call), FILES.indexOf(file), ERRORS[error], after, times)
      this.#write(n * SLOT_WORDS, 1)
    }
  }

  clear() {
    for (let n = 0; n < SLOTS; n++) this.#write(n * SLOT_WORDS, 0)
  }

  /** Calls that were made to fail since the beginning. */
  failed() {
    return this.#read(FAILED, 1)[0]
  }

  /** When they were; of very many the last ones. */
  times() {
    return this.#read(FAILED + 1, Math.min(this.failed(), TIMES))
  }

  /** `{ 'fsync log': times seen, … }` */
  seen() {
    const kinds = FILES.length - 1
    const counts = this.#read(SEEN, CALLS.length * kinds)
    return Object.fromEntries(counts.flatMap((count, n) => (count === 0 ? [] : [[`${CALLS[Math.floor(n / kinds)]} ${FILES[n % kinds]}`, count]])))
  }

  close() {
    closeSync(this.#fd)
  }
}
