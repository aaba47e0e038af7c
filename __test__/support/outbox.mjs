// Outboxes on real files in folders of their own, and waiting for what they do.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
export const door = createRequire(import.meta.url)(join(root, 'index.js'))
export const by = { actor: 'tester', reason: 'a test' }
const WAIT_MS_MAX = 20_000

/** A folder that is gone after the test. */
export function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'hl7-outbox-test-'))
  t.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}

/** Quick retries, so that a test takes milliseconds where a clinic takes minutes. */
export const quick = { scheduleMs: [20], jitter: 0 }

/** A configuration with one destination at `url`. */
export function config(path, url, destination = {}, rest = {}) {
  return { path, destinations: { malaffi: { url, retry: quick, ...destination } }, log: { level: 'error' }, ...rest }
}

/** An open outbox of one destination, closed after the test. */
export async function open(t, url = 'http://127.0.0.1:9/', destination = {}, rest = {}) {
  const outbox = await door.Outbox.open(config(join(folder(t), 'outbox.db'), url, destination, rest))
  t.after(() => outbox.close({ timeoutMs: 0 }))
  return outbox
}

/** An outbox whose destination is paused from the beginning: nothing leaves. */
export async function openPaused(t, url, destination, rest) {
  const outbox = await open(t, url, destination, rest)
  await outbox.pauseDestination('malaffi', by)
  return outbox
}

/** Resolves with what `look` gives, as soon as that is neither null, undefined nor false; asked again at every change of status. */
export async function until(outbox, look, what = 'the awaited condition') {
  let changed
  let timer
  const unsubscribe = outbox.onStatusChange(() => changed?.())
  const late = new Promise((resolve) => (timer = setTimeout(resolve, WAIT_MS_MAX, 'late')))
  try {
    for (;;) {
      const change = new Promise((resolve) => (changed = resolve))
      const found = await look()
      if (found !== null && found !== undefined && found !== false) return found
      // What is no change of status (a breaker, an attempt) is asked for again after a moment.
      const pause = new Promise((resolve) => setTimeout(resolve, 15, 'again'))
      if ((await Promise.race([change, pause, late])) === 'late') throw new Error(`${what} did not come within ${WAIT_MS_MAX / 1000} s`)
    }
  } finally {
    clearTimeout(timer)
    unsubscribe()
  }
}

/** Resolves with the message when it has reached the status. */
export function reach(outbox, id, status) {
  return until(
    outbox,
    async () => {
      const message = await outbox.getMessage(id)
      return message.status === status && !message.inFlight ? message : null
    },
    `${status} of ${id}`,
  )
}

/** Resolves with the message when it is in flight. */
export function flying(outbox, id) {
  return until(
    outbox,
    async () => {
      const message = await outbox.getMessage(id)
      return message.inFlight ? message : null
    },
    `${id} in flight`,
  )
}

/** Resolves when so many messages of the whole outbox have the status. */
export function count(outbox, status, number) {
  return until(outbox, async () => (await outbox.getStats()).byStatus[status] === number, `${number} ${status}`)
}

/** Asserts that a call gives a promise (never throws at once) which rejects with the code; resolves with the error. */
export async function refused(call, code, what = '') {
  let promise
  try {
    promise = call()
  } catch (error) {
    assert.fail(`threw at once instead of rejecting ${what}: ${String(error)}`)
  }
  assert.ok(promise instanceof Promise, `gave no promise ${what}`)
  const error = await promise.then(
    (value) => assert.fail(`was accepted ${what}: ${JSON.stringify(value)}`),
    (reason) => reason,
  )
  if (error instanceof assert.AssertionError) throw error
  assert.ok(error instanceof door.Hl7OutboxError, `rejected with something else ${what}: ${String(error)}`)
  if (code !== undefined) assert.equal(error.code, code, `${what}: ${error.message}`)
  assert.match(error.code, /^(ERR_[A-Z0-9_]+|OVERTAKEN)$/)
  assert.ok(error.message.length > 0)
  return error
}
