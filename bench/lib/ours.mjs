// What is measured of hl7-outbox. Each function is one round in a process of its own, in a fresh folder.
import { createServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { startOutbox, stopOutbox, backupOutbox, enqueueHl7, enqueueHl7Batch, getStats, pauseDestination, resumeDestination } from '../../index.mjs'
import { threadCpuUs, watchLoop } from './clocks.mjs'
import { messages } from './messages.mjs'

/** Nobody listens there; without a dispatcher nobody calls. */
const NOWHERE = 'http://127.0.0.1:9/receive'
const BY = { actor: 'bench', reason: 'a measurement' }
const BATCH = 1_000
/** Calls before the clock starts: files grown to their first pages, functions compiled. */
const WARM_UP = 3_000

const open = (folder, { url = NOWHERE, dispatch = false, concurrency = 4 } = {}) =>
  startOutbox({
    path: join(folder, 'outbox.db'),
    dispatch,
    destinations: { bench: { url, concurrency, rateLimit: null } },
    log: { level: 'error' },
  })

/** `inFlight` callers, each of which makes its next call when its last has resolved. */
async function load(list, inFlight) {
  let next = 0
  const caller = async () => {
    while (next < list.length) await enqueueHl7(list[next++])
  }
  await Promise.all(Array.from({ length: inFlight }, caller))
}

const form = (list, bytes) => (bytes ? list.map((text) => Buffer.from(text)) : list)

/** Rate and CPU time of the JS thread. */
export async function enqueue({ folder, count, inFlight, bytes = false }) {
  await open(folder)
  await load(form(messages(WARM_UP), bytes), inFlight)
  const list = form(messages(count), bytes)
  const [cpu, began] = [threadCpuUs(), performance.now()]
  await load(list, inFlight)
  const seconds = (performance.now() - began) / 1e3
  const cpuUs = cpu === null ? null : (threadCpuUs() - cpu) / count
  await stopOutbox()
  return { perSecond: count / seconds, cpuUs }
}

/** One call at a time; each call's latency. */
export async function single({ folder, count }) {
  await open(folder)
  await load(messages(200), 1)
  const us = []
  for (const message of messages(count)) {
    const began = performance.now()
    await enqueueHl7(message)
    us.push((performance.now() - began) * 1e3)
  }
  await stopOutbox()
  return { us }
}

/** The event loop under load. Apart from the rate, because watching takes a core of its own. */
export async function loop({ folder, count, inFlight }) {
  await open(folder)
  await load(messages(WARM_UP), inFlight)
  const list = messages(count)
  const stop = watchLoop()
  await load(list, inFlight)
  const watched = stop()
  await stopOutbox()
  return watched
}

/** The same watch with nothing to watch: what the machine itself does to a loop. */
export async function idle({ ms }) {
  const stop = watchLoop()
  await sleep(ms)
  return stop()
}

/** From the resolve of a call to the arrival of the request, on one clock. */
export async function arrival({ folder, count, gapMs }) {
  let arrived = () => undefined
  const server = createServer((request, response) => {
    arrived(performance.now())
    const id = String(request.headers['x-message-control-id'])
    request.resume().on('end', () => {
      response.setHeader('Content-Type', 'application/hl7-v2')
      response.end(`MSH|^~\\&|R|R|S|S|20260114093001+0400||ACK^A08^ACK|A${id.slice(0, 18)}|T|2.5.1\rMSA|AA|${id}\r`)
    })
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  await open(folder, { url: `http://127.0.0.1:${server.address().port}/receive`, dispatch: true })
  // Until it has the lead; a standby looks a few times a second.
  await sleep(1_000)
  const [afterResolveMs, afterCallMs] = [[], []]
  for (const [n, message] of messages(count + 5).entries()) {
    const arriving = new Promise((resolve) => (arrived = resolve))
    const called = performance.now()
    await enqueueHl7(message)
    const resolved = performance.now()
    const at = await arriving
    // The first few open the connection.
    if (n >= 5) {
      afterResolveMs.push(at - resolved)
      afterCallMs.push(at - called)
    }
    await sleep(gapMs * (0.5 + Math.random()))
  }
  await stopOutbox()
  server.closeAllConnections()
  server.close()
  return { afterResolveMs, afterCallMs }
}

/** From the resumption of a destination with a backlog until all of it is acknowledged and recorded. */
export async function delivery({ folder, count, concurrency, url, blocked = 0 }) {
  await open(folder, { url, concurrency, dispatch: true })
  await pauseDestination('bench', BY)
  // The driver learns of the pause before there is anything to claim.
  await sleep(200)
  // One patient's messages, whose first the receiver puts off again and again.
  for (const message of messages(blocked, () => 'BLOCKED')) await enqueueHl7(message)
  const list = messages(count)
  for (let at = 0; at < count; at += BATCH) await enqueueHl7Batch(list.slice(at, at + BATCH).map((message) => ({ message })))
  const began = performance.now()
  await resumeDestination('bench', BY)
  const deadline = began + 120_000
  for (;;) {
    const { ACKNOWLEDGED } = (await getStats()).byStatus
    if (ACKNOWLEDGED >= count) break
    if (performance.now() > deadline) throw new Error(`${ACKNOWLEDGED} of ${count} messages were delivered in two minutes`)
    await sleep(20)
  }
  const seconds = (performance.now() - began) / 1e3
  await stopOutbox()
  return { perSecond: count / seconds }
}

/** A long message, for a file that is large soon. */
const NOTE = `NTE|1||${'NOTHING TO REPORT. '.repeat(5_000)}\r`
const LONG_A_BATCH = 50

/**
 * Latency of enqueues on a large file, while nothing else happens and while it is backed up, by turns. Some callers who rest
 * between their calls: what is asked for is how long one waits, not how much goes through.
 */
export async function backup({ folder, bytes, backups, callers = 4, restMs = 5 }) {
  await open(folder)
  for (let stored = 0; stored < bytes; stored += LONG_A_BATCH * NOTE.length) {
    await enqueueHl7Batch(messages(LONG_A_BATCH).map((message) => ({ message: message + NOTE })))
  }
  const to = join(folder, 'copy.db')
  const pairs = []
  for (let n = 0; n < backups; n++) {
    const during = await latenciesDuring(() => backupOutbox(to, { replace: true }), { callers, restMs })
    const alone = await latenciesDuring(() => sleep(Math.max(1_000, during.ms)), { callers, restMs })
    pairs.push({ during, alone })
  }
  await stopOutbox()
  return { pairs }
}

async function latenciesDuring(work, { callers, restMs }) {
  const us = []
  let isOver = false
  const caller = async () => {
    while (!isOver) {
      const [message] = messages(1)
      const began = performance.now()
      await enqueueHl7(message)
      us.push((performance.now() - began) * 1e3)
      await sleep(restMs)
    }
  }
  const calling = Promise.all(Array.from({ length: callers }, caller))
  const began = performance.now()
  await work()
  const ms = performance.now() - began
  isOver = true
  await calling
  return { ms, us }
}
