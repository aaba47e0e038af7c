import { out, result } from './terminal.mjs'

const COLOURS = { PENDING: out.yellow, ACKNOWLEDGED: out.green, SENT: out.green, FAILED: out.red }

/** Prints each message when it appears and whenever its status, or the reason it waits, changes. */
export class Ways {
  #known = new Map()
  #names = new Map()

  /** What people know a message by. */
  name(controlId, name) {
    this.#names.set(controlId, name)
  }

  show(list) {
    for (const message of list.items.toReversed()) {
      const now = phrase(message)
      if (this.#known.get(message.id) === now) continue
      this.#known.set(message.id, now)
      result(`  ${(this.#names.get(message.controlId) ?? '').padEnd(8)}  ${message.messageType}  ${out.dim(message.controlId)}  ${now}`)
    }
  }
}

function phrase({ status, inFlight, waitingFor, tries, failure }) {
  const colour = COLOURS[status] ?? ((text) => text)
  const tried = tries > 1 ? out.dim(` after ${tries} tries`) : ''
  if (status === 'PENDING') return `${colour(status)} ${inFlight ? 'being sent' : waitingFor === null ? '' : `waits: ${waitingFor}`}`.trimEnd()
  return `${colour(status)}${tried}${failure === null ? '' : ` ${failure.code}`}`
}
