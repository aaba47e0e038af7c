/** How a process is told to end: by a signal, or by PM2's message where there are none (Windows). */
import type { StopOnSignalsOptions } from '../../index.js'
import * as check from './arguments.js'
import { Outbox } from './outbox.js'
import { stopOutbox } from './process.js'
import { flushSpans } from './tracing.js'

type Signal = NonNullable<StopOnSignalsOptions['signals']>[number]

const SIGNALS: readonly Signal[] = ['SIGINT', 'SIGTERM']
const KNOWN: ReadonlySet<string> = new Set<Signal>(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGBREAK'])
const OPTIONS: ReadonlySet<string> = new Set(['timeoutMs', 'signals', 'exit', 'first'])

/** A module that is loaded twice disarms what its other copy armed, so that the process ends once. */
const KEY = Symbol.for('hl7-outbox.signals')
const held = globalThis as { [KEY]?: (() => void) | undefined }

interface Ending {
  timeoutMs: number
  exit: boolean
  first: (() => unknown) | undefined
}

/** Calls `listener` with the word for what asks the process to end, each time; answers what takes it away again. */
export function onEnd(signals: readonly Signal[], listener: (why: string) => void): () => void {
  const onMessage = (message: unknown): void => {
    if (message === 'shutdown') listener('shutdown message')
  }
  for (const signal of signals) process.on(signal, listener)
  process.on('message', onMessage)
  return () => {
    for (const signal of signals) process.removeListener(signal, listener)
    process.removeListener('message', onMessage)
  }
}

export function stopOnSignals(options: StopOnSignalsOptions = {}): () => void {
  const { signals, ...ending } = checked(options)
  held[KEY]?.()
  let isEnding = false
  const away = onEnd(signals, () => {
    // A terminal, npm and PM2 may all tell the same process.
    if (isEnding) return
    isEnding = true
    end(ending).catch(fail)
  })
  const disarm = (): void => {
    away()
    if (held[KEY] === disarm) held[KEY] = undefined
  }
  held[KEY] = disarm
  return disarm
}

async function end({ timeoutMs, exit, first }: Ending): Promise<void> {
  const deadline = performance.now() + timeoutMs
  try {
    if (first !== undefined) await within(first, timeoutMs / 2)
  } catch (error) {
    fail(error)
  }
  try {
    await stopOutbox({ timeoutMs: Math.max(0, Math.round(deadline - performance.now())) })
  } catch (error) {
    fail(error)
  }
  if (!exit) return
  await flushSpans(Math.max(0, deadline - performance.now()))
  process.exit()
}

/** What was stored is safe, so the process ends all the same; its code says that something was wrong. */
function fail(error: unknown): void {
  process.exitCode ??= 1
  process.emitWarning(error instanceof Error ? error : String(error), { code: 'HL7_OUTBOX_STOP' })
}

async function within(first: () => unknown, msMax: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => (timer = setTimeout(resolve, msMax)))
  try {
    await Promise.race([first(), late])
  } finally {
    clearTimeout(timer)
  }
}

function checked(options: unknown): Ending & { signals: readonly Signal[] } {
  const given = check.object(options, 'options')
  for (const name of Object.keys(given)) {
    if (!OPTIONS.has(name)) throw check.wrong(`\`${name}\` is not an option of stopOnSignals`)
  }
  const { timeoutMs, signals, exit, first } = given
  if (exit !== undefined && typeof exit !== 'boolean') throw check.wrong('`exit` must be true or false')
  if (first !== undefined) check.func(first, 'first')
  return {
    timeoutMs: Outbox.patience(timeoutMs === undefined ? {} : { timeoutMs }),
    signals: signals === undefined ? SIGNALS : check.list(signals, 'signals').map(signal),
    exit: exit ?? true,
    first: first as (() => unknown) | undefined,
  }
}

function signal(value: unknown): Signal {
  const name = check.text(value, 'signals')
  if (!KNOWN.has(name)) throw check.wrong(`\`signals\` holds none but ${[...KNOWN].join(', ')}`)
  return name as Signal
}
