// The checker of recorded histories, on histories made by hand: for each rule one that keeps it and one that breaks it.
import assert from 'node:assert/strict'
import test from 'node:test'

import { check } from '../../rigs/lib/history/checker.mjs'

const SHARED = { attemptsMax: 2, doubtsMax: 5, answerUs: 100_000 }
/** When everybody is asked for the last time, in microseconds. */
const OVER = 10_000_000

/** A history as it is written down, in the order in which it is told. Times are microseconds. */
class Story {
  lines = [{ kind: 'setup', format: 1, wall: { ms: 0, us: 0 }, destinations: { a: { ...SHARED, holdsLane: false }, b: { ...SHARED, holdsLane: true } } }]
  #n = 0
  #where = new Map()

  /** `said`: `{ value }` or `{ error }`; without it the call never ended. */
  call(method, args, [began, ended], said, { process = 'P', ...more } = {}) {
    this.lines.push({ kind: 'call', process, n: this.#n++, method, args, began, ended: said === undefined ? null : ended, ...said, ...more })
    return this
  }

  #message(control, { lane = 'L', destination = 'a', digest = control, hold = false, notBefore = null }) {
    this.#where.set(control, destination)
    return { control, digest, lanes: { [destination]: lane }, hold, notBefore, expires: false }
  }

  #stored(control, { duplicate = false, hold = false, status = hold ? 'HELD' : 'PENDING' }) {
    return { id: `id ${control}`, controlId: control, destination: this.#where.get(control), status, duplicate }
  }

  store(control, span, { process, error, dies = false, ...more } = {}) {
    const messages = [this.#message(control, more)]
    const said = error === undefined ? { value: this.#stored(control, more) } : { error }
    return this.call('enqueueHl7', undefined, span, dies ? undefined : said, { process, messages })
  }

  batch(controls, span, { process, dies = false } = {}) {
    const messages = controls.map((control) => this.#message(control, {}))
    return this.call('enqueueHl7Batch', undefined, span, dies ? undefined : { value: controls.map((control) => this.#stored(control, {})) }, { process, messages })
  }

  replace(old, control, span, more = {}) {
    const messages = [this.#message(control, more)]
    return this.call('replaceMessage', [`id ${old}`], span, more.error === undefined ? { value: this.#stored(control, more) } : { error: more.error }, { messages })
  }

  arrive(control, at, { means = 'acknowledged', answered = at + 10, cut = null, sender = 'P', digest = control, since = at - 1, destination = this.#where.get(control) ?? 'a' } = {}) {
    this.lines.push({ kind: 'arrival', destination, control, sender, whole: true, digest, since, at, means: cut === null ? means : null, answered: cut === null && means !== null ? answered : null, cut })
    return this
  }

  /** `left`: the code with which it was left; `dies`: it was not answered. */
  order(method, control, span, { left, dies = false, process, allowOvertaken = false } = {}) {
    const id = `id ${control}`
    const value = left === undefined ? { changed: [id], unchanged: [], count: 1 } : { changed: [], unchanged: [{ id, code: left }], count: 0 }
    return this.call(`${method}Messages`, [{ ids: [id] }, { actor: 'T', allowOvertaken }], span, dies ? undefined : { value }, { process })
  }

  /** What somebody sees of a message; null: nothing. */
  see(control, span, status, { tries = 0, marked = false, inFlight = false, attempts = 0, process, seq = 0, isFinal, replaces = null } = {}) {
    const destination = this.#where.get(control)
    const value = status === null ? null : { id: `id ${control}`, seq, controlId: control, destination, status, tries, attempts, inFlight, possibleDuplicate: marked, replaces }
    return this.call('getMessage', [{ controlId: control, destination }], span, { value }, { process, isFinal })
  }

  end(process, from, to, way = 'kill') {
    this.lines.push({ kind: 'end', process, way, from, to })
    return this
  }

  /** How each stands at the end, in the order in which they were stored: `{ control: [status, view] }`. */
  over(finals) {
    let seq = 0
    for (const [control, [status, view]] of Object.entries(finals)) this.see(control, [OVER, OVER + 10], status, { seq: ++seq, isFinal: true, ...view })
    return this
  }

  get violations() {
    return check(this.lines).violations
  }
}

const DELIVERED = ['ACKNOWLEDGED', { tries: 1 }]
const story = () => new Story()

function holds(what, history) {
  test(`good: ${what}`, () => assert.deepEqual(history.violations, []))
}

function breaks(what, words, history) {
  test(`bad: ${what}`, () => {
    assert.ok(history.violations.length > 0)
    assert.match(history.violations.join('\n'), words)
  })
}

// Loss.
holds('what was stored arrives, is accepted, and stands so at the end', story().store('A', [0, 10]).arrive('A', 50).over({ A: DELIVERED }))
breaks('what was stored is not there at the end', /lost|nothing explains/, story().store('A', [0, 10]).over({ A: [null] }))
breaks('what was stored waits for ever', /PENDING at the end/, story().store('A', [0, 10]).over({ A: ['PENDING'] }))
breaks('what never arrived is said to be accepted', /nothing explains getMessage/, story().store('A', [0, 10]).over({ A: DELIVERED }))
breaks('what was accepted is said to be a dead letter', /nothing explains getMessage/, story().store('A', [0, 10]).arrive('A', 50).over({ A: ['FAILED', { tries: 1 }] }))
breaks('a dead letter before its attempts are spent', /nothing explains getMessage/, story().store('A', [0, 10]).arrive('A', 50, { means: 'retry' }).over({ A: ['FAILED', { tries: 1 }] }))
holds('a dead letter whose attempts are spent', story().store('A', [0, 10]).arrive('A', 50, { means: 'retry' }).arrive('A', 90, { means: 'retry' }).over({ A: ['FAILED', { tries: 2 }] }))

// Phantoms.
breaks('something arrives that nobody enqueued', /phantom/, story().store('A', [0, 10]).arrive('A', 50).arrive('X', 70).over({ A: DELIVERED }))
breaks('other bytes arrive than those that were stored', /bytes that nobody/, story().store('A', [0, 10]).arrive('A', 50, { digest: 'other' }).over({ A: DELIVERED }))
breaks('something arrives whose enqueue was refused', /nothing explains its arrival/, story().store('A', [0, 10], { error: 'ERR_QUEUE_FULL' }).arrive('A', 50).over({ A: DELIVERED }))
breaks('the bytes arrive that were refused as a conflict', /nothing explains its arrival/, story().store('A', [0, 10]).store('A', [20, 30], { digest: 'other', error: 'ERR_CONTROL_ID_CONFLICT' }).arrive('A', 50, { digest: 'other' }).over({ A: DELIVERED }))
holds('what a process had called when it died is stored', story().store('A', [0], { dies: true, process: 'Q' }).end('Q', 20, 30).arrive('A', 50).over({ A: DELIVERED }))
holds('what a process had called when it died is not stored', story().store('A', [0], { dies: true, process: 'Q' }).end('Q', 20, 30).over({ A: [null] }))
breaks('what a process had called is stored after its death', /nothing explains/, story().store('A', [0], { dies: true, process: 'Q' }).end('Q', 20, 30).see('A', [40, 50], null).arrive('A', 70).over({ A: DELIVERED }))

// Once.
holds('the same bytes again are a duplicate', story().store('A', [0, 10]).store('A', [20, 30], { duplicate: true }).arrive('A', 50).over({ A: DELIVERED }))
breaks('two calls are told that they stored the same message', /nothing explains enqueueHl7/, story().store('A', [0, 10]).store('A', [20, 30]).arrive('A', 50).over({ A: DELIVERED }))
breaks('a duplicate that nobody has stored before', /nothing explains enqueueHl7/, story().store('A', [0, 10], { duplicate: true }).store('A', [20, 30]).arrive('A', 50).over({ A: DELIVERED }))

// Order in a lane.
const two = () => story().store('A', [0, 10]).store('B', [20, 30])
holds('two of a lane, one after the other', two().arrive('A', 50).arrive('B', 70).over({ A: DELIVERED, B: DELIVERED }))
breaks('the later of a lane goes first', /order: a B arrived/, two().arrive('B', 50).arrive('A', 70).over({ A: DELIVERED, B: DELIVERED }))
breaks('the later goes while the earlier waits for its next attempt', /order: a B arrived/, two().arrive('A', 50, { means: 'retry' }).arrive('B', 90).arrive('A', 120).over({ A: ['ACKNOWLEDGED', { tries: 2 }], B: DELIVERED }))
holds('the later goes when the earlier is a dead letter', two().arrive('A', 50, { means: 'rejected' }).arrive('B', 90).over({ A: ['FAILED', { tries: 1 }], B: DELIVERED }))
holds('the later goes while the earlier is on hold', two().order('hold', 'A', [40, 45]).arrive('B', 90).order('release', 'A', [120, 130], { allowOvertaken: true }).arrive('A', 150).over({ A: DELIVERED, B: DELIVERED }))
holds('another lane does not wait', story().store('A', [0, 10]).store('B', [20, 30], { lane: 'M' }).arrive('B', 50).arrive('A', 70).over({ A: DELIVERED, B: DELIVERED }))
holds('what is not due yet holds nobody up', story().store('A', [0, 10], { notBefore: 5_000 }).store('B', [20, 30]).arrive('B', 50).arrive('A', 6_000_000).over({ A: DELIVERED, B: DELIVERED }))
breaks('what has become due stands in its lane', /order: a B arrived/, story().store('A', [0, 10], { notBefore: 1 }).store('B', [500_000, 500_030]).arrive('B', 500_050).arrive('A', 500_070).over({ A: DELIVERED, B: DELIVERED }))
const refused = () => story().store('A', [0, 10], { destination: 'b' }).store('B', [20, 30], { destination: 'b' }).arrive('A', 50, { means: 'rejected' }).see('A', [70, 80], 'FAILED', { tries: 1 })
breaks('the later goes behind a dead letter that holds the lane', /b A was a dead letter/, refused().arrive('B', 90).over({ A: ['FAILED', { tries: 1 }], B: DELIVERED }))
holds('the later goes when a person has cancelled the dead letter', refused().order('cancel', 'A', [82, 85]).arrive('B', 90).over({ A: ['CANCELLED', { tries: 1 }], B: DELIVERED }))
breaks('a correction waits, and what is later than the corrected goes', /order: a B arrived/, story().store('A', [0, 10], { hold: true }).store('B', [20, 30]).replace('A', 'C', [40, 50]).see('B', [52, 55], 'PENDING').arrive('B', 70).arrive('C', 90).over({ A: ['CANCELLED'], B: DELIVERED, C: ['ACKNOWLEDGED', { tries: 1, replaces: 'id A' }] }))
holds('a correction goes in the place of the corrected', story().store('A', [0, 10], { hold: true }).store('B', [20, 30]).replace('A', 'C', [40, 50]).arrive('C', 70).arrive('B', 90).over({ A: ['CANCELLED'], B: DELIVERED, C: ['ACKNOWLEDGED', { tries: 1, replaces: 'id A' }] }))

const listed = (views) => [[{}], [85, 88], { value: { nextCursor: null, items: Object.entries(views).map(([control, view], n) => ({ id: `id ${control}`, seq: n + 1, controlId: control, destination: 'a', status: 'PENDING', tries: 0, attempts: 0, inFlight: false, possibleDuplicate: false, replaces: null, ...view })) } }]
const FLIES = { inFlight: true, tries: 1 }
breaks('one list shows two of a lane in flight', /two of a lane in flight: a A and a B/, two().arrive('A', 50, { answered: 99_000, since: -300_000 }).call('listMessages', ...listed({ A: FLIES, B: FLIES })).arrive('B', 95, { since: -300_000 }).over({ A: DELIVERED, B: DELIVERED }))
holds('one list shows two in flight of two lanes', story().store('A', [0, 10]).store('B', [20, 30], { lane: 'M' }).arrive('A', 50, { answered: 90 }).arrive('B', 80, { answered: 95 }).call('listMessages', ...listed({ A: FLIES, B: FLIES })).over({ A: DELIVERED, B: DELIVERED }))
breaks('one list shows the later claimed and the earlier untouched', /order: a B was claimed and a A stood before it, in a list/, two().arrive('B', 50, { since: -300_000, answered: 90 }).call('listMessages', ...listed({ A: {}, B: FLIES })).arrive('A', 120).over({ A: DELIVERED, B: DELIVERED }))

// Old over new.
const overtaken = (more) => two().order('hold', 'A', [40, 45]).arrive('B', 90).see('B', [110, 115], 'ACKNOWLEDGED', { tries: 1 }).order('release', 'A', [120, 130], more)
breaks('what was overtaken is put back without a word', /overtaken: releaseMessages/, overtaken().arrive('A', 150).over({ A: DELIVERED, B: DELIVERED }))
holds('what was overtaken is left', overtaken({ left: 'OVERTAKEN' }).over({ A: ['HELD'], B: DELIVERED }))
holds('what was overtaken is put back by a person who allows it', overtaken({ allowOvertaken: true }).arrive('A', 150).over({ A: DELIVERED, B: DELIVERED }))
breaks('something is left as overtaken that nothing has overtaken', /no later one can have been delivered/, two().order('hold', 'A', [40, 45]).order('release', 'A', [50, 60], { left: 'OVERTAKEN' }).order('release', 'A', [70, 75]).arrive('A', 90).arrive('B', 120).over({ A: DELIVERED, B: DELIVERED }))
breaks('what was corrected goes back beside its correction', /a correction stands for it/, story().store('A', [0, 10], { hold: true }).replace('A', 'C', [40, 50]).order('retry', 'A', [60, 65]).arrive('A', 70).arrive('C', 90).over({ A: DELIVERED, C: ['ACKNOWLEDGED', { tries: 1, replaces: 'id A' }] }))

// One in flight.
breaks('two of a lane are in flight', /two of a lane in flight/, two().arrive('A', 50, { answered: 500 }).arrive('B', 70).over({ A: DELIVERED, B: DELIVERED }))
breaks('one message is in flight twice', /nothing explains its arrival/, story().store('A', [0, 10]).arrive('A', 50, { answered: 500 }).arrive('A', 70).over({ A: ['ACKNOWLEDGED', { tries: 2 }] }))
holds('a receiver is silent until the deadline', two().arrive('A', 50, { means: null }).arrive('A', 100_100).arrive('B', 100_200).over({ A: ['ACKNOWLEDGED', { tries: 2, marked: true }], B: DELIVERED }))
breaks('a receiver is silent, and the next goes before the deadline', /two of a lane in flight/, two().arrive('A', 50, { means: null }).arrive('B', 90_000).arrive('A', 100_100).over({ A: ['ACKNOWLEDGED', { tries: 2, marked: true }], B: DELIVERED }))
holds('a late answer comes after the deadline, and another attempt before it', story().store('A', [0, 10]).arrive('A', 50, { answered: 150_000 }).arrive('A', 120_000).over({ A: ['ACKNOWLEDGED', { tries: 2, marked: true }] }))

// Held and cancelled.
breaks('what is on hold arrives', /nothing explains its arrival/, story().store('A', [0, 10]).order('hold', 'A', [20, 30]).arrive('A', 50).over({ A: DELIVERED }))
holds('what is in flight is not held', story().store('A', [0, 10]).order('hold', 'A', [20, 30], { left: 'ERR_IN_FLIGHT' }).arrive('A', 50).over({ A: DELIVERED }))
breaks('what is cancelled arrives after it was seen so', /nothing explains its arrival/, story().store('A', [0, 10]).order('cancel', 'A', [20, 30]).see('A', [31, 35], 'CANCELLED').arrive('A', 50).over({ A: DELIVERED }))
holds('what is cancelled in flight is accepted all the same', story().store('A', [0, 10]).arrive('A', 15, { answered: 60 }).order('cancel', 'A', [20, 30]).over({ A: DELIVERED }))
holds('what is cancelled in flight and refused for now is not tried again', story().store('A', [0, 10]).arrive('A', 15, { answered: 60, means: 'retry' }).order('cancel', 'A', [20, 30]).over({ A: ['CANCELLED', { tries: 1 }] }))
breaks('what is cancelled in flight and refused for now is tried again', /nothing explains its arrival/, story().store('A', [0, 10]).arrive('A', 15, { answered: 60, means: 'retry' }).order('cancel', 'A', [20, 30]).arrive('A', 90).over({ A: ['ACKNOWLEDGED', { tries: 2 }] }))
breaks('a command says that it changed what it does not apply to', /nothing explains releaseMessages/, story().store('A', [0, 10]).order('release', 'A', [20, 30]).arrive('A', 50).over({ A: DELIVERED }))
holds('a command whose process died was carried out', story().store('A', [0, 10]).order('cancel', 'A', [20], { dies: true, process: 'Q' }).end('Q', 40, 50).over({ A: ['CANCELLED'] }))
holds('a command whose process died was not carried out', story().store('A', [0, 10]).order('cancel', 'A', [20], { dies: true, process: 'Q' }).end('Q', 40, 50).arrive('A', 60).over({ A: DELIVERED }))
breaks('something arrives while its destination is paused', /paused: a A/, story().call('pauseDestination', ['a'], [0, 5], { value: null }).store('A', [10, 20]).arrive('A', 50).over({ A: DELIVERED }))
holds('something arrives when its destination was resumed', story().call('pauseDestination', ['a'], [0, 5], { value: null }).store('A', [10, 20]).call('resumeDestination', ['a'], [30, 35], { value: null }).arrive('A', 50).over({ A: DELIVERED }))

// Duplicates.
const again = (marked) => ({ A: ['ACKNOWLEDGED', { tries: 2, marked }] })
breaks('what was accepted arrives again without a cause', /nothing explains its arrival/, story().store('A', [0, 10]).arrive('A', 50).see('A', [70, 80], 'ACKNOWLEDGED', { tries: 1 }).arrive('A', 90).over(again(true)))
holds('its sender dies before it says that it was accepted', story().store('A', [0, 10]).arrive('A', 50).end('P', 61, 65).arrive('A', 90, { sender: 'Q' }).over(again(true)))
breaks('its sender dies, and it goes out again unmarked', /nothing explains getMessage/, story().store('A', [0, 10]).arrive('A', 50).end('P', 61, 65).arrive('A', 90, { sender: 'Q' }).over(again(false)))
breaks('another process dies, and it goes out again', /nothing explains its arrival/, story().store('A', [0, 10]).arrive('A', 50, { answered: 80_000 }).end('Q', 61, 65).arrive('A', 90).over(again(true)))
holds('the connection is cut instead of an answer', story().store('A', [0, 10]).arrive('A', 50, { cut: 60 }).arrive('A', 90).over(again(true)))
holds('a refusal for now is repeated without a mark', story().store('A', [0, 10]).arrive('A', 50, { means: 'retry' }).arrive('A', 90).over(again(false)))
breaks('a refusal for now is repeated with a mark', /nothing explains getMessage/, story().store('A', [0, 10]).arrive('A', 50, { means: 'retry' }).arrive('A', 90).over(again(true)))
holds('a person sends it again, and it is marked', story().store('A', [0, 10]).arrive('A', 50).order('resend', 'A', [70, 80]).arrive('A', 90).over(again(true)))

// Reads.
breaks('a caller does not see what it has stored', /nothing explains getMessage/, story().store('A', [0, 10]).see('A', [12, 14], null).arrive('A', 50).over({ A: DELIVERED }))
holds('a read beside the enqueue sees it or not', story().store('A', [0, 10]).see('A', [2, 14], null).see('A', [3, 15], 'PENDING').arrive('A', 50).over({ A: DELIVERED }))
breaks('a later read shows an older state than an earlier one of another process', /nothing explains getMessage/, story().store('A', [0, 10]).arrive('A', 50, { means: 'retry' }).see('A', [70, 75], 'PENDING', { tries: 1, process: 'Q' }).see('A', [80, 85], 'PENDING', { tries: 0, process: 'R' }).arrive('A', 90).over(again(false)))
holds('reads at the same time may show one and the other', story().store('A', [0, 10]).arrive('A', 50, { means: 'retry', answered: 74 }).see('A', [70, 85], 'PENDING', { tries: 1, process: 'Q' }).see('A', [71, 85], 'PENDING', { tries: 1, inFlight: true, process: 'R' }).arrive('A', 90).over(again(false)))
breaks('a list leaves out what is there', /nothing explains listMessages/, story().store('A', [0, 10]).call('listMessages', [{}], [20, 30], { value: { items: [], nextCursor: null } }).arrive('A', 50).over({ A: DELIVERED }))
holds('a list of another state leaves it out', story().store('A', [0, 10]).call('listMessages', [{ status: 'HELD' }], [20, 30], { value: { items: [], nextCursor: null } }).arrive('A', 50).over({ A: DELIVERED }))
breaks('attempts are told that nobody began', /nothing explains getAttempts/, story().store('A', [0, 10]).arrive('A', 50).call('getAttempts', ['id A'], [70, 80], { value: [{ endedAt: 'x' }, { endedAt: 'y' }] }).over({ A: DELIVERED }))
holds('attempts are told as they were', story().store('A', [0, 10]).arrive('A', 50).call('getAttempts', ['id A'], [70, 80], { value: [{ endedAt: 'x' }] }).over({ A: DELIVERED }))

// Between messages.
const batch = () => story().batch(['A', 'B'], [0], { dies: true, process: 'Q' }).end('Q', 20, 30)
breaks('of one call a part is stored', /a part: of 2/, batch().arrive('A', 50).over({ A: DELIVERED, B: [null] }))
holds('of one call all is stored, though its process died', batch().arrive('A', 50).arrive('B', 70).over({ A: DELIVERED, B: DELIVERED }))
const lanes = (first, second) => story().store('A', [0, 10], { lane: 'L', process: first }).store('B', [1, 10], { lane: 'M', process: second }).arrive('A', 50).arrive('B', 70)
breaks('numbers of one process are not in the order of its calls', /before a B and has a higher number/, lanes('P', 'P').over({ B: DELIVERED, A: DELIVERED }))
holds('numbers of two processes at the same time are in any order', lanes('P', 'Q').over({ B: DELIVERED, A: DELIVERED }))
breaks('a number is higher than that of a call that began later', /and has a higher number than a B/, story().store('A', [0, 10], { process: 'P' }).store('B', [20, 30], { lane: 'M', process: 'Q' }).arrive('A', 50).arrive('B', 70).over({ B: DELIVERED, A: DELIVERED }))

const told = (...moves) => story().store('A', [0, 10]).arrive('A', 50).over({ A: DELIVERED }).call('feed', ['id A'], [OVER, OVER + 10], { value: moves.map(([from, to]) => ({ id: 'id A', from, to })) })
holds('the feed tells every move', told([null, 'PENDING'], ['PENDING', 'ACKNOWLEDGED']))
breaks('the feed leaves a move out', /feed: a A is ACKNOWLEDGED/, told([null, 'PENDING']))
breaks('the feed tells a move twice', /feed: a A was ACKNOWLEDGED/, told([null, 'PENDING'], ['PENDING', 'ACKNOWLEDGED'], ['PENDING', 'ACKNOWLEDGED']))
breaks('the feed tells a move that there is not', /feed: a A was PENDING/, told([null, 'PENDING'], ['PENDING', 'PENDING'], ['PENDING', 'ACKNOWLEDGED']))

const counted = (count) => {
  const items = [{ id: 'id A', seq: 1, controlId: 'A', destination: 'a', status: 'ACKNOWLEDGED', tries: 1, attempts: 0, inFlight: false, possibleDuplicate: false, replaces: null }]
  return story().store('A', [0, 10]).arrive('A', 50).call('getStats', [], [OVER, OVER + 1], { value: { byStatus: { ACKNOWLEDGED: count } } }, { isFinal: true }).call('listMessages', [{}], [OVER, OVER + 1], { value: { items, nextCursor: null } }, { isFinal: true }).over({ A: DELIVERED })
}
holds('the figures are those of the list', counted(1))
breaks('the figures are not those of the list', /figures: 2 are said/, counted(2))
