/** The durable feed of changes, as an async iterable over pages that the native side reads. */
import type { StatusChange } from '../../index.js'
import * as check from './arguments.js'
import type { NativeOutbox } from './native.js'

/** Changes that are read together; a consumer's place is remembered behind each page. */
const PAGE = 200
/** How soon changes of other processes are seen. Those of this process ring. */
const LOOK_EVERY_MS = 250
/** How soon a waiting reader notices that the active one is gone. */
const STAND_EVERY_MS = 500

/** A misspelt `consumer` would read everything again at every start. */
const OPTIONS: ReadonlySet<string> = new Set(['after', 'consumer', 'signal'])

type Subscribe = (listener: () => void) => () => void

export interface ChangesOptions {
  after?: string
  consumer?: string
  signal?: AbortSignal
}

export async function* changes(native: NativeOutbox, subscribe: Subscribe, given: ChangesOptions): AsyncGenerator<StatusChange, void, void> {
  const options = check.object(given, 'options')
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) throw check.wrong(`\`${name}\` is not an option of statusChanges`)
  }
  const after = options.after === undefined ? undefined : check.text(options.after, 'after')
  const consumer = options.consumer === undefined ? undefined : check.text(options.consumer, 'consumer')
  const signal = check.abortSignal(options.signal)
  const bell = new Bell(signal)
  let active = false
  try {
    const unsubscribe = subscribe(() => {
      bell.ring()
    })
    bell.onEnd(unsubscribe)
    if (consumer !== undefined) {
      while (!(active = await native.holdConsumer(consumer))) {
        if (!(await bell.wait(STAND_EVERY_MS))) return
      }
    }
    yield* follow(native, bell, after, consumer)
  } catch (error) {
    throw check.coded(error)
  } finally {
    bell.end()
    // One that only waited must not give away the turn of another reader of this process.
    if (active && consumer !== undefined) native.releaseConsumer(consumer)
  }
}

/** Reads page after page. A consumer's place is noted when the caller has asked for what comes behind it. */
async function* follow(
  native: NativeOutbox,
  bell: Bell,
  after: string | undefined,
  consumer: string | undefined,
): AsyncGenerator<StatusChange, void, void> {
  let cursor = after ?? (consumer === undefined ? undefined : ((await native.consumer(consumer)) ?? undefined))
  let noted = cursor
  const note = async (): Promise<void> => {
    if (consumer === undefined || cursor === undefined || cursor === noted) return
    await native.noteConsumer(consumer, cursor)
    noted = cursor
  }
  try {
    while (!bell.isOver()) {
      const page = JSON.parse(await native.changes(cursor, PAGE)) as StatusChange[]
      for (const change of page) {
        if (bell.isOver()) return
        yield change
        // Only now: a caller that fails on a change is told it again.
        cursor = change.cursor
      }
      await note()
      if (page.length === 0 && !(await bell.wait(LOOK_EVERY_MS))) return
    }
  } finally {
    await note()
  }
}

/** Wakes the reader: by a change, by the end, or by the clock. */
class Bell {
  #ended = false
  #rung = false
  #wake: (() => void) | undefined
  readonly #atEnd: (() => void)[] = []

  constructor(signal: AbortSignal | undefined) {
    if (signal === undefined) return
    const end = (): void => {
      this.end()
    }
    if (signal.aborted) this.#ended = true
    else signal.addEventListener('abort', end, { once: true })
    this.onEnd(() => {
      signal.removeEventListener('abort', end)
    })
  }

  isOver(): boolean {
    return this.#ended
  }

  onEnd(call: () => void): void {
    this.#atEnd.push(call)
  }

  ring(): void {
    this.#rung = true
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
    for (const call of this.#atEnd.splice(0)) call()
  }

  /** Waits for a ring, at most so long. False: it is over. */
  async wait(ms: number): Promise<boolean> {
    if (!this.#ended && !this.#rung) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = undefined
    }
    this.#rung = false
    return !this.#ended
  }
}
