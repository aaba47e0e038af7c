// What an outbox makes of a disk whose power was cut: it is mounted, opened, everything is delivered, and the whole is checked.
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { startApplication } from './application.mjs'
import { check } from './checker.mjs'
import { mountImage } from './disk.mjs'
import { statesOf, untilDelivered } from './ending.mjs'
import { startReceiver } from './receiver.mjs'

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
 * has the `journal`, the `arrivals` and the `events` of the time before. Answers `{ figures, violations }`.
 */
export async function aftermath({ image, at, log, place, reader, integrity, signal }) {
  const calls = new Map([...log.journal.calls].filter(([, { called }]) => called < at).map(([control, call]) => [control, { ...call, resolved: call.resolved !== null && call.resolved < at ? call.resolved : null }]))
  const before = log.arrivals.filter((arrival) => arrival.at < at)
  const events = [...log.events.filter((event) => (Array.isArray(event) ? event[0] : event) < at), at]
  const nothing = { figures: { enqueued: 0, repeats: 0 } }
  let mounted
  try {
    mounted = await mountImage(image, join(place, 'look'))
  } catch (error) {
    return { ...nothing, violations: [`the file system cannot be mounted: ${error.message}`] }
  }
  const receiver = await startReceiver()
  try {
    const path = join(mounted.at, 'outbox', 'outbox.db')
    mkdirSync(dirname(path), { recursive: true })
    const started = await reader.ask('startOutbox', { path, destinations: destination(receiver.url), log: { level: 'error' } })
    if (started.error !== undefined) return { ...nothing, violations: [`the outbox cannot be opened: ${started.error} ${started.message}`] }
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
