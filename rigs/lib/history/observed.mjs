// From the lines of a history to what was seen of each message.

/** Later than everything: infinities cannot be subtracted when times are sorted. */
export const NEVER = 1e15
/** Timers and clocks of two processes are compared. */
const TIMER_US = 3_000
/** Codes after which a call may have taken effect, or may do so yet (docs/errors.md). */
const OPEN_CODES = ['ERR_ENQUEUE_TIMEOUT', 'ERR_STORE_FAILED', 'ERR_PANIC']
export const COMMANDS = { holdMessages: 'hold', releaseMessages: 'release', cancelMessages: 'cancel', retryMessages: 'retry', resendMessages: 'resend', purgeMessages: 'purge' }

export const nameOf = (destination, control) => `${destination} ${control}`

/** When a call must have taken effect, or `optional` if it need not have. */
function span(call, diedAt) {
  const isOpen = call.ended === null || OPEN_CODES.includes(call.error)
  return { began: call.began, ended: call.ended === null ? Math.max(call.began, diedAt.get(call.process) ?? NEVER) : isOpen ? NEVER : call.ended, optional: isOpen }
}

/**
 * Answers `{ setup, messages, byId, calls, ends, pauses, problems }`. A message, by its name, is `{ name, destination, control, lane,
 * calls, ops, arrivals, limits, notBefore, final }`: the calls that wanted to store it, what was seen of it, and how it was seen last.
 */
export function observed(lines) {
  const setup = lines.find(({ kind }) => kind === 'setup')
  const calls = lines.filter(({ kind }) => kind === 'call')
  const ends = lines.filter(({ kind }) => kind === 'end')
  const diedAt = new Map(ends.map(({ process, to }) => [process, to]))
  const problems = []
  const messages = written(calls, setup)
  const byId = namesOf(calls)
  for (const arrival of lines.filter(({ kind }) => kind === 'arrival').sort((one, other) => one.at - other.at)) arrive(arrival, messages, problems)
  for (const call of calls) for (const { name, op } of opsOf(call, { messages, byId, problems })) messages.get(name).ops.push({ ...span(call, diedAt), ...op, words: wordsOf(call, op) })
  for (const message of messages.values()) message.ops.forEach((op, n) => (op.n = n))
  for (const { args: [which], value } of calls.filter(({ isFinal, method }) => isFinal && method === 'getMessage')) messages.get(nameOf(which.destination, which.controlId)).final = value ?? null
  return { setup, messages, byId, calls, ends, pauses: pausesOf(calls, diedAt), problems }
}

/** Every message that a call wanted to store. */
function written(calls, setup) {
  const messages = new Map()
  for (const call of calls) {
    for (const [index, given] of (call.messages ?? []).entries()) {
      for (const [destination, lane] of Object.entries(given.lanes)) {
        const name = nameOf(destination, given.control)
        if (!messages.has(name)) messages.set(name, fresh({ name, destination, lane, control: given.control }, setup.destinations[destination]))
        wanted(messages.get(name), given, { call, index })
      }
    }
  }
  return messages
}

function fresh(named, { attemptsMax, doubtsMax, answerUs }) {
  return { ...named, calls: [], ops: [], arrivals: [], final: null, notBefore: null, limits: { attempts: attemptsMax, doubts: doubtsMax, answerUs: answerUs - TIMER_US, expires: false } }
}

/** Of several calls for one message any may be the one that stored it: whatever one of them excuses is excused. */
function wanted(message, { digest, hold = false, notBefore, expires, attempts }, { call, index }) {
  message.calls.push({ call, index, digest, hold })
  message.limits.expires ||= expires
  message.limits.attempts = Math.min(message.limits.attempts, attempts ?? Infinity)
  if (notBefore !== null) message.notBefore = Math.max(message.notBefore ?? 0, notBefore)
}

/** Which message an id is, by all that was answered. */
function namesOf(calls) {
  const byId = new Map()
  for (const call of calls) {
    for (const { id, destination, control } of stored(call)) byId.set(id, nameOf(destination, control))
    const views = call.method === 'getMessage' ? [call.value ?? []].flat() : call.method === 'listMessages' ? (call.value?.items ?? []) : []
    for (const { id, destination, controlId } of views) byId.set(id, nameOf(destination, controlId))
  }
  return byId
}

function arrive(arrival, messages, problems) {
  const message = messages.get(nameOf(arrival.destination, arrival.control))
  if (message === undefined) return problems.push(`phantom: ${arrival.control} arrived at ${arrival.destination} and nobody enqueued it`)
  if (arrival.digest !== null && !message.calls.some(({ digest }) => digest === arrival.digest)) problems.push(`${message.name} arrived with bytes that nobody enqueued`)
  return message.ops.push({ kind: 'arrival', index: message.arrivals.push(arrival) - 1, digest: arrival.digest, began: arrival.since, ended: arrival.at, words: `its arrival at ${arrival.at}` })
}

/** What an answered enqueue says is stored: `{ id, destination, control, status, duplicate }`. */
function stored(call) {
  const answers = !call.value ? [] : call.method === 'enqueueHl7Batch' ? call.value : ['enqueueHl7', 'replaceMessage'].includes(call.method) ? [call.value] : []
  return answers.flatMap((answer) => answer.deliveries ?? [answer]).map(({ id, destination, controlId, status, duplicate }) => ({ id, destination, control: controlId, status, duplicate }))
}

function wordsOf({ process, method, began, ended, error, value }, op) {
  const result = error ?? (op.seen === undefined ? (op.outcome ?? op.kind) : JSON.stringify(op.seen))
  return `${method} of ${process} (${began} to ${ended ?? 'its death'}): ${value === undefined && error === undefined ? 'unknown' : result}`
}

/** What a call says of single messages: `{ name, op }`. */
function* opsOf(call, { messages, byId, problems }) {
  if (call.messages !== undefined) return yield* storing(call, byId, messages)
  if (call.error !== undefined && !OPEN_CODES.includes(call.error)) return
  const isKnown = call.value !== undefined
  if (Object.hasOwn(COMMANDS, call.method)) return yield* commanding(call, { messages, byId, problems })
  if (!isKnown) return
  if (call.method === 'getMessage') {
    const name = typeof call.args[0] === 'string' ? byId.get(call.args[0]) : nameOf(call.args[0].destination, call.args[0].controlId)
    if (messages.has(name)) yield { name, op: { kind: 'read', seen: seenOf(call.value) } }
  }
  if (call.method === 'digest' && messages.has(byId.get(call.args[0]))) yield { name: byId.get(call.args[0]), op: { kind: 'digest', digest: call.value } }
  if (call.method === 'getAttempts' && messages.has(byId.get(call.args[0]))) yield { name: byId.get(call.args[0]), op: { kind: 'attempts', begun: call.value.length, open: call.value.filter(({ endedAt }) => endedAt === null).length } }
  if (call.method === 'listMessages' && call.value.nextCursor === null) {
    const statuses = call.args[0]?.status === undefined ? null : [call.args[0].status].flat()
    const listed = new Map(call.value.items.map((item) => [nameOf(item.destination, item.controlId), item]))
    for (const name of listed.keys()) if (!messages.has(name)) problems.push(`phantom: ${name} is listed and nobody enqueued it`)
    for (const name of messages.keys()) yield { name, op: listed.has(name) ? { kind: 'read', seen: seenOf(listed.get(name)) } : { kind: 'unlisted', statuses } }
  }
}

function seenOf(view) {
  if (view === null) return null
  const { status, inFlight, tries, attempts, possibleDuplicate, purgedAt } = view
  return { status, inFlight, tries, attempts, possibleDuplicate, purged: purgedAt !== undefined }
}

function* storing(call, byId, messages) {
  const answered = new Map(stored(call).map((one) => [nameOf(one.destination, one.control), one]))
  const isOpen = call.value === undefined && (call.error === undefined || OPEN_CODES.includes(call.error))
  const isOne = call.messages.length === 1 && Object.keys(call.messages[0].lanes).length === 1
  for (const { control, digest, lanes, hold } of call.messages) {
    for (const name of Object.keys(lanes).map((destination) => nameOf(destination, control))) {
      const answer = answered.get(name)
      if (isOpen) yield { name, op: { kind: 'stored', digest, hold: hold ?? false } }
      else if (answer !== undefined) yield { name, op: answer.duplicate ? { kind: 'duplicate', digest, status: answer.status } : { kind: 'stored', digest, hold: hold ?? false } }
      // A known control id with the same bytes is a conflict too if it is not the correction of this message.
      else if (call.error === 'ERR_CONTROL_ID_CONFLICT' && isOne) yield { name, op: { kind: 'conflict', digest: call.method === 'replaceMessage' ? null : digest } }
    }
  }
  if (call.method !== 'replaceMessage' || !messages.has(byId.get(call.args[0]))) return
  const name = byId.get(call.args[0])
  if (isOpen || (call.value && !call.value.duplicate)) yield { name, op: { kind: 'replaced', by: call.messages[0].control } }
  else if (call.error === 'ERR_STATE') yield { name, op: { kind: 'irreplaceable' } }
}

function* commanding(call, { messages, byId, problems }) {
  const command = COMMANDS[call.method]
  const [filter, by] = call.args
  const named = filter.ids !== undefined
  const statuses = filter.status === undefined ? null : [filter.status].flat()
  const changed = new Set((call.value?.changed ?? []).map((id) => byId.get(id)))
  const left = new Map((call.value?.unchanged ?? []).map(({ id, code }) => [byId.get(id), code]))
  for (const name of [...changed, ...left.keys()]) if (!messages.has(name)) problems.push(`phantom: ${call.method} answers of a message that nobody enqueued`)
  const meant = named ? filter.ids.map((id) => byId.get(id)) : [...messages.keys()].filter((name) => filter.destination === undefined || messages.get(name).destination === filter.destination)
  for (const name of meant.filter((each) => messages.has(each))) {
    const outcome = call.value === undefined ? null : changed.has(name) ? 'changed' : (left.get(name) ?? 'unmeant')
    yield { name, op: { kind: 'command', command, named, statuses, outcome, allowOvertaken: by.allowOvertaken === true } }
  }
}

/** Times in which a destination was paused for sure: `{ destination, from, to }`. */
function pausesOf(calls, diedAt) {
  const resumes = calls.filter(({ method }) => method === 'resumeDestination')
  return calls
    .filter(({ method, ended, error }) => method === 'pauseDestination' && ended !== null && error === undefined)
    .map(({ args: [destination], began, ended }) => {
      const those = resumes.filter(({ args }) => args[0] === destination)
      // One that was under way may have come after the pause.
      const isDoubtful = those.some((resume) => span(resume, diedAt).ended >= began && resume.began <= ended)
      return { destination, from: ended, to: isDoubtful ? ended : Math.min(NEVER, ...those.filter((resume) => resume.began > ended).map((resume) => resume.began)) }
    })
    .filter(({ from, to }) => from < to)
}
