// The stand-in receiver, inside the test's process or as one of its own.
import { createRequire } from 'node:module'
import { join } from 'node:path'

import { root } from './outbox.mjs'
import { startProgram } from './processes.mjs'

const PAGE = 1_000
const WAIT_MS_MAX = 20_000
const facade = createRequire(import.meta.url)(join(root, 'dist', 'facade', 'index.js'))

/** What one receiver shows of itself. */
class Receiver {
  constructor(url) {
    this.url = url
  }

  async #get(path) {
    const response = await fetch(new URL(path, this.url))
    if (!response.ok) throw new Error(`the receiver answered ${response.status}: ${await response.text()}`)
    return response.json()
  }

  /** Everything it took in, in the order of arrival. */
  async received() {
    const items = []
    for (let after = 0; after !== null; ) {
      const page = await this.#get(`/received?after=${after}&limit=${PAGE}`)
      items.push(...page.items)
      after = page.next ?? null
    }
    return items
  }

  /** Resolves with everything when at least so many have arrived. */
  async until(number) {
    const deadline = performance.now() + WAIT_MS_MAX
    for (;;) {
      const left = Math.ceil(deadline - performance.now())
      if (left <= 0) throw new Error(`${number} messages did not arrive within ${WAIT_MS_MAX / 1000} s; ${(await this.received()).length} did`)
      const page = await this.#get(`/received?after=${number - 1}&limit=1&waitMs=${left}`)
      if (page.total >= number) return this.received()
    }
  }

  async behave(behaviour) {
    const response = await fetch(new URL('/behaviour', this.url), { method: 'PUT', body: JSON.stringify(behaviour) })
    if (!response.ok) throw new Error(await response.text())
  }

  stats() {
    return this.#get('/stats')
  }
}

/** A receiver in this process, stopped after the test. */
export async function receiver(t, behaviour = {}, rest = {}) {
  const running = await facade.startReceiver({ http: '127.0.0.1:0', behaviour, ...rest })
  const shown = new Receiver(`http://${running.http}/receive`)
  shown.stop = () => running.stop()
  shown.port = Number(running.http.split(':').at(-1))
  t.after(() => running.stop())
  return shown
}

/** A receiver as a process of its own. */
export async function receiverProcess(t, { port = 0, behaviour } = {}) {
  const args = [join(root, 'dist', 'cli', 'main.js'), 'receiver', '--http', `127.0.0.1:${port}`, '--json']
  if (behaviour !== undefined) args.push('--behaviour', JSON.stringify(behaviour))
  const program = startProgram(t, args)
  const { http } = JSON.parse(await program.line((line) => line.startsWith('{')))
  const shown = new Receiver(http)
  shown.port = Number(new URL(http).port)
  shown.program = program
  return shown
}

/** First arrivals by control id, in order. */
export function firsts(items) {
  const seen = new Set()
  return items.filter(({ controlId }) => !seen.has(controlId) && seen.add(controlId))
}

/** The bytes of an arrival. */
export function bytesOf(item) {
  return item.body === undefined ? Buffer.from(item.bodyBase64, 'base64') : Buffer.from(item.body)
}
