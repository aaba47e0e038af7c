// Commands on very many messages, and how long an enqueue waits meanwhile: in the same process, and in another one.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'

import {
  cancelMessages, enqueueHl7, enqueueHl7Batch, getStats, holdMessages, pauseDestination, purgeMessages, releaseMessages, resendMessages, resumeDestination,
  retryMessages, startOutbox, stopOutbox,
} from '../../index.mjs'
import { messages } from './messages.mjs'

const BY = { actor: 'bench', reason: 'a measurement' }
const BATCH = 1_000
/** So many messages have one patient, so that the seams cut lanes. */
const OF_ONE_PATIENT = 4
const MEMORY_EVERY_MS = 50
/** From one probe to the next. */
const GAP_MS = 10
/** How long probes are made without a command, before each. */
const BASELINE_MS = 5_000
const program = join(fileURLToPath(import.meta.url), '..', 'enqueuer.mjs')

/** Each with the state in which it finds the messages. */
const COMMANDS = [
  ['hold', holdMessages, 'PENDING'],
  ['release', releaseMessages, 'HELD'],
  ['cancel', cancelMessages, 'PENDING'],
  ['retry', retryMessages, 'CANCELLED'],
  ['resend', resendMessages, 'ACKNOWLEDGED', { allowOvertaken: true }],
  ['purge', purgeMessages, undefined],
]

/** One call after the other until `stop()`, which answers the latency of each in ms. */
export function probe(list) {
  const waits = []
  let stopped = false
  const running = (async () => {
    for (let n = 0; !stopped; n = (n + 1) % list.length) {
      const began = performance.now()
      await enqueueHl7(list[n]())
      waits.push(performance.now() - began)
      await sleep(GAP_MS)
    }
  })()
  return async () => {
    stopped = true
    await running
    return waits
  }
}

/** Messages for a probe, made when they are needed. */
export const fresh = () => [() => messages(1)[0]]

export async function bulk({ folder, count, url, commands }) {
  const path = join(folder, 'outbox.db')
  await startOutbox({
    path,
    dispatch: true,
    destinations: { bench: { url, concurrency: 256, rateLimit: null } },
    limits: { pendingMessages: count * 2 },
    log: { level: 'error' },
  })
  await pauseDestination('bench', BY)
  for (let at = 0; at < count; at += BATCH) {
    const list = messages(Math.min(BATCH, count - at), (run, n) => `${run}${Math.floor(n / OF_ONE_PATIENT)}`)
    await enqueueHl7Batch(list.map((message) => ({ message })))
  }
  const to = new Date()
  // Later ones have a later time.
  await sleep(5)
  const other = await enqueuer(path)
  const measured = {}
  for (const [name, run, status, more] of COMMANDS) {
    if (!commands.includes(name)) continue
    if (name === 'resend') await deliver(count)
    globalThis.gc?.()
    const baseline = await watched(other, () => sleep(BASELINE_MS))
    const during = await watched(other, async () => {
      const { count: changed } = await run({ to, ...(status === undefined ? {} : { status }) }, { ...BY, ...more })
      if (changed !== count) throw new Error(`${name} changed ${changed} of ${count} messages`)
    })
    measured[name] = { seconds: during.ms / 1e3, cpuUs: during.cpuUs / count, memoryMib: during.memoryMib, here: during.here, elsewhere: during.elsewhere, baseline }
  }
  await other.end()
  await stopOutbox()
  return { measured }
}

/** Does something while both processes enqueue. */
async function watched(other, work) {
  const before = process.memoryUsage.rss()
  let most = before
  const looking = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), MEMORY_EVERY_MS)
  const stopHere = probe(fresh())
  const stopElsewhere = await other.probe()
  const [cpu, began] = [process.cpuUsage(), performance.now()]
  try {
    await work()
  } finally {
    clearInterval(looking)
  }
  const ms = performance.now() - began
  const { user, system } = process.cpuUsage(cpu)
  return { ms, cpuUs: user + system, memoryMib: (most - before) / 2 ** 20, here: await stopHere(), elsewhere: await stopElsewhere() }
}

/** Everything that waits is sent and acknowledged. */
async function deliver(count) {
  await resumeDestination('bench', BY)
  for (;;) {
    const { ACKNOWLEDGED, PENDING } = (await getStats()).byStatus
    if (ACKNOWLEDGED >= count && PENDING === 0) break
    await sleep(200)
  }
  await pauseDestination('bench', BY)
}

/** Another process that has the same file open. */
async function enqueuer(path) {
  const child = fork(program, [path])
  const told = async () => (await once(child, 'message'))[0]
  await told()
  return {
    async probe() {
      child.send('begin')
      await told()
      return () => {
        child.send('end')
        return told()
      }
    },
    async end() {
      child.disconnect()
      await once(child, 'exit')
    },
  }
}
