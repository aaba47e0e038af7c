// The clinic's HTTP interface, as its page uses it.
import { setTimeout as delay } from 'node:timers/promises'

export async function saveVisit(url, visit) {
  const started = performance.now()
  const response = await fetch(`${url}/api/visits`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(visit) })
  const body = await response.json()
  return { status: response.status, body, ms: performance.now() - started }
}

export async function listMessages(url) {
  const response = await fetch(`${url}/api/hl7`)
  if (!response.ok) throw new Error(`GET /api/hl7 answered ${response.status}`)
  return response.json()
}

/** The application listens before its database is open; its list is there when both are. */
export async function untilServing(url, msMax = 60_000) {
  const deadline = performance.now() + msMax
  for (;;) {
    try {
      return await listMessages(url)
    } catch (error) {
      if (performance.now() > deadline) throw new Error('the clinic does not serve', { cause: error })
      await delay(250)
    }
  }
}

/** Polls until `done(list)`; resolves with the last list, and whether it was in time. */
export async function watchMessages(url, done, { msMax, onList, pollMs = 50 } = {}) {
  const deadline = performance.now() + msMax
  for (;;) {
    const list = await listMessages(url)
    onList?.(list)
    const inTime = done(list)
    if (inTime || performance.now() > deadline) return { list, inTime }
    await delay(pollMs)
  }
}

export const allAre = (status, count) => (list) => list.items.length >= count && list.items.every((message) => message.status === status)
