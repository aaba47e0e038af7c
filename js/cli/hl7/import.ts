/** Storing many messages: in their order, in batches that one commit takes, each refused by itself. */
import { setTimeout as pause } from 'node:timers/promises'

import { Hl7OutboxError, type Enqueued, type EnqueueOptions, type Outbox } from '../../facade/index.js'

export interface Found {
  readonly file: string
  readonly position: number
  readonly bytes: Buffer
}
export interface Refused {
  readonly file: string
  readonly position: number
  readonly code: string
  readonly what: string
}

const MESSAGES = 256
const BYTES = 4 * 1024 * 1024
/** What may pass by itself: the same bytes are stored once, however often they are given. */
const PASSING = new Set(['ERR_STORE_BUSY', 'ERR_ENQUEUE_TIMEOUT', 'ERR_INTAKE_FULL'])
const WAITS_MS = [200, 400, 800, 1_600, 3_200]

export class Importer {
  readonly #outbox: Outbox
  readonly #options: EnqueueOptions
  readonly #stored: (found: Found, enqueued: Enqueued) => Promise<void>
  readonly #refused: (refused: Refused) => Promise<void>
  #waiting: Found[] = []
  #bytes = 0

  constructor(outbox: Outbox, options: EnqueueOptions, stored: (found: Found, enqueued: Enqueued) => Promise<void>, refused: (refused: Refused) => Promise<void>) {
    this.#outbox = outbox
    this.#options = options
    this.#stored = stored
    this.#refused = refused
  }

  /** One batch after the other: a later message of a patient is never stored before an earlier one. */
  async add(found: Found): Promise<void> {
    this.#waiting.push(found)
    this.#bytes += found.bytes.length
    if (this.#waiting.length >= MESSAGES || this.#bytes >= BYTES) await this.flush()
  }

  async flush(): Promise<void> {
    const batch = this.#waiting.splice(0)
    this.#bytes = 0
    if (batch.length > 0) await this.#store(batch)
  }

  /** A batch is stored as a whole or not at all; the half with the refused message is divided until only that one is left. */
  async #store(batch: Found[]): Promise<void> {
    try {
      const enqueued = await this.#patiently(batch)
      for (const [n, found] of batch.entries()) {
        const one = enqueued[n]
        if (one !== undefined) await this.#stored(found, one)
      }
    } catch (error) {
      const first = batch[0]
      if (first === undefined || !(error instanceof Hl7OutboxError) || !isOfTheMessage(error.code)) throw plain(error)
      if (batch.length === 1) return this.#refused({ file: first.file, position: first.position, code: error.code, what: ofOne(error.message) })
      const half = batch.length >> 1
      await this.#store(batch.slice(0, half))
      await this.#store(batch.slice(half))
    }
  }

  async #patiently(batch: Found[]): Promise<Enqueued[]> {
    for (const wait of WAITS_MS) {
      try {
        return await this.#give(batch)
      } catch (error) {
        if (!(error instanceof Hl7OutboxError) || !PASSING.has(error.code)) throw error
        await pause(wait)
      }
    }
    return this.#give(batch)
  }

  #give(batch: Found[]): Promise<Enqueued[]> {
    return this.#outbox.enqueueHl7Batch(batch.map(({ bytes }) => ({ message: bytes, options: this.#options })))
  }
}

/** The number within a batch of ours says nothing to the person who named files. */
function ofOne(message: string): string {
  return message.replace(/^message \d+ of the batch: /, '')
}

function plain(error: unknown): unknown {
  return error instanceof Hl7OutboxError ? new Hl7OutboxError(error.code, ofOne(error.message), { hint: error.hint, cause: error }) : error
}

/** Whether the message is to blame; else nothing more can be stored, or the command is wrong. */
function isOfTheMessage(code: string): boolean {
  return code.startsWith('ERR_HL7_') || code === 'ERR_CONTROL_ID_CONFLICT' || code === 'ERR_PROCESSING_ID' || code === 'ERR_CHECK_FAILED'
}
