// Clients of an application over HTTP: one per lane, each sends a message, waits for the answer, and goes on. What was refused is
// sent again, the same bytes.
import { request } from 'node:http'

import { hl7 } from '../../__test__/support/messages.mjs'
import { now } from './clock.mjs'
import { digestOf } from './receiver.mjs'

const REQUEST_MS_MAX = 20_000
const AGAIN_MS = 20

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

export class Clients {
  /** Why requests were refused: code -> how often. */
  refused = new Map()
  #isQuiet = false
  #working
  #number = 0

  constructor({ name, port, lanes, pauseMs, journal, random }) {
    Object.assign(this, { name, port, pauseMs, journal, random })
    this.#working = Promise.all(lanes.map((lane) => this.#client(lane)))
  }

  /** Lets what was begun end. */
  quiet() {
    this.#isQuiet = true
    return this.#working
  }

  async #client(lane) {
    while (!this.#isQuiet) {
      await this.#store(lane)
      await pause(this.random.between(0, this.pauseMs))
    }
  }

  async #store(lane) {
    const control = `${this.name}N${(this.#number++).toString(36).toUpperCase().padStart(5, '0')}`
    const bytes = Buffer.from(hl7({ control, patient: lane }))
    const hear = (...said) => this.journal.hear(lane, said, now())
    for (;;) {
      hear('call', control, lane, digestOf(bytes), now())
      const { id, code } = await this.#post(bytes)
      if (id !== undefined) return hear('resolved', control, id, now())
      hear('rejected', control, code, now())
      this.refused.set(code, (this.refused.get(code) ?? 0) + 1)
      await pause(AGAIN_MS)
    }
  }

  #post(bytes) {
    return new Promise((resolve) => {
      // A connection for each, so that none is refused only because a kept one had been closed.
      const sent = request({ host: '127.0.0.1', port: this.port, method: 'POST', agent: false, timeout: REQUEST_MS_MAX }, async (response) => {
        let text = ''
        try {
          for await (const piece of response.setEncoding('utf8')) text += piece
          const { id, code } = JSON.parse(text)
          resolve(response.statusCode === 201 ? { id } : { code })
        } catch {
          resolve({ code: 'CUT' })
        }
      })
      sent.on('timeout', () => sent.destroy())
      sent.on('error', (error) => resolve({ code: error.code ?? 'CUT' }))
      sent.end(bytes)
    })
  }
}
