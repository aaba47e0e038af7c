// A webhook as an application would write it: it takes alerts whose signature is right, and remembers them.
import { once } from 'node:events'
import { createServer } from 'node:http'

import { Webhook } from 'standardwebhooks'

/** Keys of tests; they open nothing. */
export const SECRET = `whsec_${Buffer.from('an invented key of the tests').toString('base64')}`
export const OTHER_SECRET = `whsec_${Buffer.from('another invented test key!').toString('base64')}`
const WAIT_MS_MAX = 20_000

class Hook {
  #server
  #port = 0
  #wake = new Set()

  constructor(secret, answer) {
    this.secret = secret
    this.answer = answer
    /** Alerts that were taken, in the order of arrival. */
    this.alerts = []
    /** Every request: its headers, its body, and what was answered. */
    this.requests = []
  }

  get url() {
    return `http://127.0.0.1:${this.#port}/alerts`
  }

  async start() {
    this.#server = createServer((request, response) => void this.#take(request, response))
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = this.#server.address().port
  }

  async stop() {
    if (!this.#server?.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }

  async #take(request, response) {
    let body = ''
    for await (const piece of request) body += piece
    const { status, headers = {} } = this.#judge(request.headers, body)
    this.requests.push({ headers: request.headers, body, status })
    response.writeHead(status, headers).end('TESTPATIENT in an answer that nobody repeats')
    for (const wake of this.#wake) wake()
  }

  #judge(headers, body) {
    if (this.answer !== undefined) return this.answer
    try {
      this.alerts.push(new Webhook(this.secret).verify(body, headers))
      return { status: 204 }
    } catch {
      return { status: 401 }
    }
  }

  /** Resolves with what `look` gives, as soon as that is something; asked after each request. */
  async until(look, what = 'the awaited alert') {
    let timer
    const late = new Promise((resolve) => (timer = setTimeout(resolve, WAIT_MS_MAX, 'late')))
    let wake
    const rung = () => wake?.()
    this.#wake.add(rung)
    try {
      for (;;) {
        const next = new Promise((resolve) => (wake = resolve))
        const found = look(this)
        if (found) return found
        if ((await Promise.race([next, late])) === 'late') throw new Error(`${what} did not come; got ${JSON.stringify(this.alerts.map(({ type, state }) => [type, state]))}`)
      }
    } finally {
      clearTimeout(timer)
      this.#wake.delete(rung)
    }
  }

  /** Resolves with the first alert of that type and state. */
  got(type, state) {
    return this.until(({ alerts }) => alerts.find((alert) => alert.type === type && alert.state === state), `${type} ${state}`)
  }

  /** Types and states, in the order of arrival. One whose bearer was killed before it could note the answer may come again: it has the same id. */
  get told() {
    const ids = this.alerts.map(({ id }) => id)
    return this.alerts.filter(({ id }, n) => ids.indexOf(id) === n).map(({ type, state }) => `${type} ${state}`)
  }
}

/** A webhook that listens, until the end of the test. `answer` is given instead of a judgement. */
export async function webhook(t, { secret = SECRET, answer } = {}) {
  const hook = new Hook(secret, answer)
  await hook.start()
  t.after(() => hook.stop())
  return hook
}

/** A configuration of alerts at once, without the patience of a clinic. */
export function alertsFor(hook, { thresholds = {}, only, ...rest } = {}) {
  const webhooks = hook === undefined ? [] : [{ url: hook.url, secret: SECRET, ...(only === undefined ? {} : { only }) }]
  return { webhooks, thresholds: { outageMs: 0, needsPersonMs: 0, lastsMs: 0, dispatcherMissingMs: 0, diskFreeBytes: null, ...thresholds }, endsAfterMs: 0, ...rest }
}
