// What an outbox makes of a disk whose power was cut: it is mounted, opened, everything is delivered, and the whole is checked.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { startApplication } from './application.mjs'
import { check } from './checker.mjs'
import { mountImage, mountPoint } from './disk.mjs'
import { statesOf, untilDelivered } from './ending.mjs'
import { startReceiver } from './receiver.mjs'

const LEAD_MS_MAX = 10_000

/** The one receiver of these rigs. */
export const destination = (url) => ({ rig: { url, concurrency: 16, retry: { scheduleMs: [20], jitter: 0 } } })

/** The application that opens each outbox after its cut; it stays, because starting one takes longer than a cut. */
export async function startReader(path) {
  mkdirSync(dirname(path))
  const reader = startApplication({ name: 'READER', config: { path, dispatch: false, destinations: { rig: { url: 'http://127.0.0.1:9/' } } } })
  if (!(await reader.ready)) throw new Error(`the reader did not start\n${reader.err}`)
  await reader.ask('stopOutbox')
  return reader
}

/**
 * Looks at what is left in the file `image` after a cut at the time `at`: whatever anybody saw until then had happened. `log`
 * has the `journal`, the `arrivals` and the `events` of the time before. It is mounted where it was, unless it comes from another
 * machine (`isForeign`): only then may the outbox say that it was moved. Answers `{ figures, violations }`.
 */
export async function aftermath({ image, at, log, place, reader, integrity, signal, isForeign = false }) {
  const calls = new Map([...log.journal.calls].filter(([, { called }]) => called < at).map(([control, call]) => [control, { ...call, resolved: call.resolved !== null && call.resolved < at ? call.resolved : null }]))
  const before = log.arrivals.filter((arrival) => arrival.at < at)
  const events = [...log.events.filter((event) => (Array.isArray(event) ? event[0] : event) < at), at]
  const nothing = { figures: { enqueued: 0, repeats: 0 } }
  let mounted
  try {
    mounted = await mountImage(image, isForeign ? join(place, 'look') : mountPoint(place))
  } catch (error) {
    return { ...nothing, violations: [`the file system cannot be mounted: ${error.message}`] }
  }
  const receiver = await startReceiver()
  try {
    const path = join(mounted.at, 'outbox', 'outbox.db')
    mkdirSync(dirname(path), { recursive: true })
    const started = await reader.ask('startOutbox', { path, destinations: destination(receiver.url), log: { level: 'error' } })
    if (started.error !== undefined) return { ...nothing, violations: [`the outbox cannot be opened: ${started.error} ${started.message}`] }
    if (isForeign) await resume(reader)
    await untilDelivered(reader, { signal })
    const states = await statesOf(reader)
    await reader.ask('stopOutbox')
    const damage = await integrity.damageOf(path)
    const found = check({ calls, arrivals: [...before, ...receiver.arrivals], states, events })
    return { ...found, violations: [...found.violations, ...holes(calls, states), ...damage] }
  } finally {
    await reader.ask('stopOutbox')
    await receiver.stop()
    await mounted.unmount()
  }
}

/** As a person does after looking. */
async function resume(reader) {
  for (const deadline = performance.now() + LEAD_MS_MAX; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const { value } = await reader.ask('getHealth')
    if (value?.dispatcher?.here === true) return reader.ask('resumeDestination', 'rig', { actor: 'the rig' })
    if (performance.now() > deadline) throw new Error('nobody took the lead')
  }
}

/** Commits are kept in their order: of one process no call is stored behind one that is not. */
function holes(calls, states) {
  const missing = new Map()
  const found = []
  for (const { control, process, rejected } of calls.values()) {
    if (!states.has(control)) missing.set(process, missing.get(process) ?? control)
    else if (missing.has(process) && rejected === 0) found.push(`a hole: ${control} is stored and ${missing.get(process)}, called before, is not`)
  }
  return found
}
