// The checker of recorded histories. It reads lines: what callers called and were answered, what the receiver got and answered, and
// when processes ended. It shares nothing with the product, neither code nor file.
//
// - Each message alone must be explained by some order that respects real time (explain.mjs says how and why). That finds what is
//   lost (a read, or the end, that no answer and no command explains), what is phantom, what is sent although it was held,
//   cancelled or refused, what is repeated without a cause or a mark, final states that are nobody's, and reads that go back in time.
// - What is promised between messages cannot be seen in one alone: lanes.mjs, and below the order of numbers, calls that store several
//   messages, the feed of changes, and the figures at the end.
import { explain } from './explain.mjs'
import { checkLane, checkList, placesOf } from './lanes.mjs'
import { NEVER, nameOf, observed } from './observed.mjs'

/** The arrows of docs/states.md; the first column is `from`. */
const MOVES = {
  null: ['PENDING', 'HELD'],
  PENDING: ['ACKNOWLEDGED', 'SENT', 'FAILED', 'CANCELLED', 'HELD'],
  HELD: ['PENDING', 'CANCELLED'],
  FAILED: ['PENDING', 'CANCELLED'],
  CANCELLED: ['PENDING'],
  SENT: ['ACKNOWLEDGED', 'PENDING'],
  ACKNOWLEDGED: ['PENDING'],
}

/** Checks a history; answers `{ figures, violations }`. */
export function check(lines) {
  const seen = observed(lines)
  const { messages, calls, ends, problems: violations } = seen
  for (const message of messages.values()) {
    const tries = message.ops.filter(({ seen: view }) => view).map(({ seen: view }) => view.tries)
    const { layers, failure } = explain(message.ops, { arrivals: message.arrivals, ends, limits: message.limits, tries: Math.max(0, ...tries) })
    message.layers = layers
    message.isExplained = failure === null
    if (failure !== null) violations.push(`${message.name}: nothing explains ${failure.op.words}; at ${failure.at} it could be: ${failure.before.join(' | ')}`)
    else violations.push(...atTheEnd(message))
  }
  placesOf(messages, seen.byId)
  const lists = calls.filter(({ method, value }) => method === 'listMessages' && value)
  for (const lane of lanesOf(messages)) {
    violations.push(...checkLane(lane, seen))
    if (lane.length > 1) for (const list of lists) violations.push(...checkList(list, lane))
  }
  violations.push(...numbers(messages), ...together(calls, messages), ...feed(seen), ...figures(calls))
  for (const { words } of lines.filter(({ kind }) => kind === 'trouble')) violations.push(words)
  return { figures: { calls: calls.length, messages: messages.size, arrivals: lines.filter(({ kind }) => kind === 'arrival').length }, violations }
}

function* atTheEnd({ name, final, calls }) {
  if (final?.status === 'PENDING') yield `${name} is PENDING at the end`
  if (final === null && calls.some(({ call }) => call.value)) yield `lost: ${name} was resolved and is not there`
}

/** Lanes whose messages can be compared: each is explained. What was not stored stands in none. */
function lanesOf(messages) {
  const lanes = new Map()
  for (const message of messages.values()) {
    if (message.place === undefined) continue
    const key = message.lane === null ? message.name : nameOf(message.destination, message.lane)
    if (!lanes.has(key)) lanes.set(key, [])
    lanes.get(key).push(message)
  }
  return [...lanes.values()].filter((lane) => lane.every(({ isExplained }) => isExplained))
}

/** Numbers follow the order of the calls: within a process as they were made, between processes where one had ended before. */
function* numbers(messages) {
  const stored = []
  for (const { name, final, calls } of messages.values()) {
    if (!final) continue
    const own = calls.filter(({ call }) => answersNew(call, name))
    if (own.length === 1) stored.push({ name, call: own[0].call, seq: final.seq, rank: [own[0].call.n, own[0].index] })
  }
  stored.sort((one, other) => one.seq - other.seq)
  let latest = { began: -NEVER }
  const newestOf = new Map()
  for (const { name, call, rank } of stored) {
    if (call.ended < latest.began) yield `order: ${name} was stored by a call that ended at ${call.ended}, and has a higher number than ${latest.name}, called at ${latest.began}`
    if (call.began > latest.began) latest = { name, began: call.began }
    // A correction is looked at first and stored then; what is enqueued meanwhile is before it.
    if (call.method === 'replaceMessage') continue
    const newest = newestOf.get(call.process)
    if (newest !== undefined && isAfter(newest.rank, rank)) yield `order: ${name} was called by ${call.process} before ${newest.name} and has a higher number`
    else newestOf.set(call.process, { name, rank })
  }
}

const isAfter = (one, other) => one[0] > other[0] || (one[0] === other[0] && one[1] > other[1])

function answersNew({ value, method }, name) {
  if (!value) return false
  const answers = method === 'enqueueHl7Batch' ? value : [value]
  return answers.flatMap((answer) => answer.deliveries ?? [answer]).some(({ destination, controlId, duplicate }) => nameOf(destination, controlId) === name && !duplicate)
}

/** A call stores all of its messages or none, also if its process died. */
function* together(calls, messages) {
  for (const call of calls.filter(({ messages: own, ended }) => own !== undefined && ended === null)) {
    const names = call.messages.flatMap(({ control, lanes }) => Object.keys(lanes).map((destination) => nameOf(destination, control)))
    const own = names.map((name) => messages.get(name)).filter(({ calls: of }) => of.length === 1)
    const there = own.filter(({ final }) => final)
    if (there.length > 0 && there.length < own.length) yield `a part: of ${own.length} messages of one call, ${there.length} are stored`
  }
}

/** The feed tells each message's moves, each from where it was, by the arrows, up to where it stands; and entries in their order. */
function* feed({ calls, messages, byId }) {
  for (const { value } of calls.filter(({ method, value: lines }) => method === 'feed' && lines)) {
    const stands = new Map()
    let newest = 0
    for (const { id, from, to } of value) {
      const message = messages.get(byId.get(id))
      if (message === undefined) {
        yield 'phantom: the feed tells of a message that nobody enqueued'
        continue
      }
      if ((stands.get(message) ?? null) !== from || !MOVES[from].includes(to)) yield `feed: ${message.name} was ${stands.get(message) ?? 'not stored'}, and ${from} to ${to} is told`
      stands.set(message, to)
      if (from !== null || !message.final) continue
      if (message.final.seq < newest) yield `feed: that ${message.name} was stored is told too late`
      newest = message.final.seq
    }
    for (const message of messages.values()) {
      const last = stands.get(message) ?? null
      if (last !== (message.final?.status ?? null)) yield `feed: ${message.name} is ${message.final?.status ?? 'not stored'}, and ${last} is the last that was told`
    }
  }
}

/** The figures at the end are those of the list at the end. */
function* figures(calls) {
  const stats = calls.findLast(({ method, isFinal }) => method === 'getStats' && isFinal)?.value
  const list = calls.findLast(({ method, isFinal }) => method === 'listMessages' && isFinal)?.value
  if (!stats || !list) return
  for (const [status, count] of Object.entries(stats.byStatus)) {
    const listed = list.items.filter((item) => item.status === status).length
    if (listed !== count) yield `figures: ${count} are said to be ${status}, and ${listed} are`
  }
}
