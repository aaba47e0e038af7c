// What persons and applications do in a history. Which, is chosen at random; on which messages, from those that anybody has seen.
import { hl7 } from '../../../__test__/support/messages.mjs'
import { digestOf } from '../receiver.mjs'

const PATIENTS = 3
const VISITS = 2
const BY = { actor: 'the rig' }

/** How often each is done, in relation to the others. */
const ACTIONS = {
  ...{ store: 34, storeBatch: 6, storeForTwo: 4, repeat: 6, contradict: 2 },
  ...{ look: 14, list: 5, attempts: 3, bytes: 2 },
  ...{ hold: 6, release: 6, cancel: 5, retry: 7, resend: 4, purge: 1, bulk: 3, replace: 7 },
  ...{ pause: 2, resume: 3, configure: 2 },
}
const BAG = Object.entries(ACTIONS).flatMap(([name, share]) => Array(share).fill(name))

/** Writes the calls of one history and remembers what was enqueued. `act(call)` makes one: `call(method, args, more)`. */
export class Author {
  #numbers = 0
  /** What was given to an enqueue. */
  #written = []
  /** What was answered: `{ id, destination, control, lane }`. */
  #known = new Map()

  constructor({ random, destinations }) {
    Object.assign(this, { random, destinations, names: Object.keys(destinations) })
  }

  async act(call) {
    const action = this.#known.size < 3 ? 'store' : this.random.pick(BAG)
    return this[action](call)
  }

  /** Every message that anybody tried to store. */
  *all() {
    const told = new Set()
    for (const { message } of this.#written) {
      for (const destination of Object.keys(message.lanes)) {
        const name = `${destination} ${message.control}`
        if (!told.has(name)) yield { control: message.control, destination }
        told.add(name)
      }
    }
  }

  /** The one that ends the feed. */
  last() {
    const { text, message } = this.#write({ names: ['a'], hold: true })
    return { args: [text, { hold: true }], messages: [message] }
  }

  #write({ names = [this.random.pick(this.names)], hold = false, control = `M${(this.#numbers++).toString(36).toUpperCase().padStart(3, '0')}`, like, note = '' } = {}) {
    const { random } = this
    const patient = like?.patient ?? `H-${random.between(1, PATIENTS)}`
    const visit = like?.visit ?? `V-${random.between(1, VISITS)}`
    const key = like !== undefined ? like.key : random.chance(0.08) ? random.pick(['K-1', null]) : undefined
    const text = hl7({ control, patient, note }).replace(/\rPV1\|[^\r]*/, (segment) => `${segment}${'|'.repeat(19 - (segment.split('|').length - 1))}${visit}`)
    const laneOf = (name) => (key !== undefined ? key && `key ${key}` : { patient: `patient ${patient}`, 'PV1-19': `visit ${visit}` }[this.destinations[name].orderBy] ?? null)
    const options = {
      ...(key === undefined ? {} : { orderingKey: key }),
      ...(hold ? { hold } : {}),
      ...(random.chance(0.2) ? { priority: 'urgent' } : {}),
      ...(random.chance(0.06) ? { notBefore: new Date(Date.now() + random.between(5, 250)).toISOString() } : {}),
      ...(random.chance(0.04) ? { expiresInMs: random.between(1, 60) } : {}),
      ...(random.chance(0.08) ? { maxAttempts: random.between(1, 3) } : {}),
    }
    const message = {
      control,
      digest: digestOf(Buffer.from(text)),
      lanes: like?.lanes ?? Object.fromEntries(names.map((name) => [name, laneOf(name)])),
      ...(hold ? { hold } : {}),
      notBefore: options.notBefore === undefined ? null : Date.parse(options.notBefore),
      expires: options.expiresInMs !== undefined,
      ...(options.maxAttempts === undefined ? {} : { attempts: options.maxAttempts }),
    }
    const written = { text, options, message, patient, visit, key, names }
    this.#written.push(written)
    return written
  }

  #learn(line) {
    for (const answer of [line.value ?? []].flat().flatMap((each) => each.deliveries ?? [each])) {
      const written = this.#written.find(({ message }) => message.control === answer.controlId)
      if (answer.id !== undefined && written !== undefined) this.#known.set(answer.id, { isAside: answer.status === 'HELD' || answer.status === 'FAILED', ...this.#known.get(answer.id), id: answer.id, destination: answer.destination, control: answer.controlId, written })
    }
    return line
  }

  /** Mostly one of the last, about which something goes on. */
  #some() {
    const all = [...this.#known.values()]
    return this.random.chance(0.6) ? all[Math.max(0, all.length - this.random.between(1, 8))] : this.random.pick(all)
  }

  #ids() {
    return [...new Set(Array.from({ length: this.random.pick([1, 1, 1, 2, 3]) }, () => this.#some().id))]
  }

  async #store(call, { text, options, message, names }) {
    const where = names.length > 1 ? { destinations: names } : { destination: names[0] }
    return this.#learn(await call('enqueueHl7', [text, { ...options, ...where }], { messages: [message] }))
  }

  store(call) {
    return this.#store(call, this.#write({ hold: this.random.chance(0.1) }))
  }

  storeForTwo(call) {
    return this.#store(call, this.#write({ names: ['a', 'b'] }))
  }

  async storeBatch(call) {
    const written = Array.from({ length: this.random.between(2, 6) }, () => this.#write())
    const args = [written.map(({ text, options, names }) => ({ message: text, options: { ...options, destination: names[0] } }))]
    return this.#learn(await call('enqueueHl7Batch', args, { messages: written.map(({ message }) => message) }))
  }

  /** The same bytes under the same control id, as an application does that does not know whether it was stored. */
  repeat(call) {
    return this.#store(call, this.random.pick(this.#written.filter(({ names }) => names !== null)))
  }

  /** Other bytes under a known control id. */
  contradict(call) {
    const { message, names, ...like } = this.random.pick(this.#written.filter((one) => one.names !== null))
    return this.#store(call, this.#write({ names, control: message.control, like: { ...like, lanes: message.lanes }, note: `Other ${this.random.between(1, 1_000)}` }))
  }

  look(call) {
    const { id, destination, control } = this.#some()
    return call('getMessage', [this.random.chance(0.7) ? id : { controlId: control, destination }])
  }

  list(call) {
    const status = this.random.pick([undefined, 'PENDING', ['HELD', 'FAILED'], ['SENT', 'ACKNOWLEDGED'], 'CANCELLED'])
    return call('listMessages', [{ limit: 1_000, ...(status === undefined ? {} : { status }) }])
  }

  attempts(call) {
    return call('getAttempts', [this.#some().id])
  }

  bytes(call) {
    return call('digest', [this.#some().id])
  }

  async hold(call) {
    const line = await call('holdMessages', [{ ids: this.#ids() }, BY])
    for (const id of line.value?.changed ?? []) this.#known.get(id).isAside = true
  }

  cancel(call) {
    return call('cancelMessages', [{ ids: this.#ids() }, BY])
  }

  purge(call) {
    return call('purgeMessages', [{ ids: this.#ids() }, BY])
  }

  release(call) {
    return call('releaseMessages', [this.random.chance(0.3) ? {} : { ids: this.#ids() }, this.#overtaking()])
  }

  retry(call) {
    return call('retryMessages', [{ ids: this.#ids() }, this.#overtaking()])
  }

  resend(call) {
    return call('resendMessages', [{ ids: this.#ids() }, this.#overtaking()])
  }

  bulk(call) {
    const filter = { status: [this.random.pick(['FAILED', 'CANCELLED', 'PENDING'])], ...(this.random.chance(0.5) ? { destination: this.random.pick(this.names) } : {}) }
    return call('retryMessages', [filter, this.#overtaking()])
  }

  #overtaking() {
    return this.random.chance(0.25) ? { ...BY, allowOvertaken: true } : BY
  }

  async replace(call) {
    // Mostly one that can be replaced.
    const aside = [...this.#known.values()].filter(({ isAside }) => isAside)
    const old = aside.length > 0 && this.random.chance(0.8) ? this.random.pick(aside) : this.#some()
    const { patient, visit, message } = old.written
    const again = old.corrected !== undefined && this.random.chance(0.5)
    const lanes = { [old.destination]: message.lanes[old.destination] }
    old.corrected = again ? old.corrected : this.#write({ names: [old.destination], like: { patient, visit, lanes }, note: 'Corrected' })
    const { text, message: correction } = old.corrected
    // A correction is not enqueued again by itself: its options are those of the old one.
    old.corrected.names = null
    return this.#learn(await call('replaceMessage', [old.id, text, BY], { messages: [{ ...correction, notBefore: null, expires: false, attempts: undefined }] }))
  }

  pause(call) {
    return call('pauseDestination', [this.random.pick(this.names), BY])
  }

  resume(call) {
    return call('resumeDestination', [this.random.pick(this.names), BY])
  }

  configure(call) {
    const name = this.random.pick(this.names)
    if (this.random.chance(0.3)) return call('resetDestination', [name, BY])
    const patch = this.random.pick([{ concurrency: this.random.between(1, 4) }, { enabled: this.random.chance(0.6) }, { rateLimit: { perSecond: 200, burst: 5 } }])
    return call('configureDestination', [name, patch, BY])
  }
}
