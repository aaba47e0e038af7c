// What the documents say of one message (docs/states.md, docs/guarantees.md), as a machine that may be in several states at once.
// It shares no line and no table with the product.

const DELIVERED = ['SENT', 'ACKNOWLEDGED']
/** To which states each command applies. */
const APPLIES = {
  retry: ['PENDING', 'FAILED', 'CANCELLED'],
  release: ['HELD'],
  resend: DELIVERED,
  cancel: ['PENDING', 'HELD', 'FAILED'],
  hold: ['PENDING'],
  purge: ['PENDING', 'HELD', 'FAILED', 'SENT', 'ACKNOWLEDGED', 'CANCELLED'],
}
const REFUSED_IN_FLIGHT = ['retry', 'hold', 'purge']
const PUTS_BACK = ['retry', 'release', 'resend']

/**
 * Nobody has stored it.
 *
 * `status` (null: not stored), `flight` (null, or what is being sent: the index of its arrival, -1 as long as none was seen),
 * `digest` of what is stored, `tries`, `spent` (ended attempts since a person put it back, the most that can count), `doubt` (it may
 * have arrived), `mark` (it must be shown as a possible duplicate), `withdrawn` (cancelled while in flight), `orphan` (its sender
 * is gone), `returns` (its last attempt may be given back), `purged`, `replaced`, `delivered` (ever). `claimed`, which tells no two
 * states apart: the earliest moment at which what is in flight can have been claimed.
 */
export const NOTHING = Object.freeze({
  status: null,
  flight: null,
  digest: null,
  tries: 0,
  spent: 0,
  doubt: false,
  mark: false,
  withdrawn: false,
  orphan: false,
  returns: false,
  purged: false,
  replaced: false,
  delivered: false,
  claimed: null,
})

export const keyOf = (s) => `${s.status} ${s.flight} ${s.digest} ${s.tries} ${s.spent} ${+s.doubt}${+s.mark}${+s.withdrawn}${+s.orphan}${+s.returns}${+s.purged}${+s.replaced}${+s.delivered}`

/** In words, for a violation. */
export const inWords = (s) => (s.status === null ? 'not stored' : `${s.status}${s.flight === null ? '' : ' in flight'}${s.purged ? ' purged' : ''}${s.withdrawn ? ' withdrawn' : ''}, ${s.tries} tries${s.mark ? ', marked' : s.doubt ? ', in doubt' : ''}`)

/** Stands in its lane, so that no later message of it may be claimed. */
export const stands = (s) => s.status === 'PENDING'

/**
 * What may happen to it by itself at the time `at`: `world` has the `arrivals` of this message, the `ends` of processes, its `limits` and
 * the most `tries` that were ever seen.
 */
export function* steps(s, at, world) {
  if (s.status === 'PENDING' && s.flight === null) {
    if (s.tries < world.tries) yield { ...s, flight: -1, tries: s.tries + 1, mark: s.mark || s.doubt, claimed: at }
    if (world.limits.expires || (s.doubt && s.spent >= world.limits.doubts)) yield { ...s, status: 'FAILED', returns: s.tries > 0 }
  }
  if (s.status === 'FAILED' && s.returns) yield { ...s, status: 'PENDING', returns: false }
  if (s.flight === null) return
  const arrival = world.arrivals[s.flight]
  if (!s.orphan && world.ends.some((end) => end.from <= at && at <= end.to && (arrival === undefined || arrival.sender === end.process))) yield { ...s, orphan: true }
  // Who takes the lead knows nothing of it but that it was begun.
  if (s.orphan) yield* ended(s, 'doubt', world.limits)
  if (arrival === undefined) return
  if (arrival.answered !== null && at >= arrival.answered) yield* ended(s, arrival.means, world.limits)
  if (at >= arrival.since + world.limits.answerUs || (arrival.cut !== null && at >= arrival.cut)) yield* ended(s, 'doubt', world.limits)
  if (!arrival.whole) yield* ended(s, 'spared', world.limits)
}

/** The end of an attempt. */
function* ended(s, means, limits) {
  const spent = s.spent + 1
  const after = { ...s, flight: null, claimed: null, orphan: false, spent, doubt: s.doubt || means === 'doubt' }
  if (means === 'acknowledged' || means === 'sent') return yield { ...after, status: means === 'sent' ? 'SENT' : 'ACKNOWLEDGED', withdrawn: false, returns: false, delivered: true }
  if (s.withdrawn) return yield { ...after, status: 'CANCELLED', withdrawn: false, returns: false }
  if (means === 'rejected') return yield { ...after, status: 'FAILED', returns: false }
  yield { ...after, status: 'PENDING', returns: false }
  // Attempts that an outage was to blame for do not count, so that the limit is reached later, never sooner.
  const most = means === 'doubt' ? Math.min(limits.attempts, limits.doubts) : limits.attempts
  if (means !== 'spared' && spent >= most) yield { ...after, status: 'FAILED', returns: true }
}

/** What a call, or an arrival, makes of a message if it takes effect now; none if it cannot have ended as it did. */
export function* effects(s, op) {
  switch (op.kind) {
    case 'arrival':
      if (s.flight === -1 && (op.digest === null || s.digest === op.digest)) yield { ...s, flight: op.index }
      return
    case 'stored':
      if (s.status === null) yield { ...s, status: op.hold ? 'HELD' : 'PENDING', digest: op.digest }
      return
    case 'duplicate':
      if (s.status === op.status && s.digest === op.digest) yield s
      return
    case 'conflict':
      if (s.status !== null && (op.digest === null || s.digest !== op.digest)) yield s
      return
    case 'read':
      if (isSeen(s, op.seen)) yield s
      return
    case 'unlisted':
      if (s.status === null || s.purged || (op.statuses !== null && !op.statuses.includes(s.status))) yield s
      return
    case 'attempts':
      if (s.purged || s.status === null ? op.begun === 0 : s.tries === op.begun && op.open === (s.flight === null ? 0 : 1)) yield s
      return
    case 'digest':
      if (op.digest === null ? s.status === null || s.purged : s.digest === op.digest) yield s
      return
    case 'replaced':
      if (['FAILED', 'HELD'].includes(s.status) && !s.purged) yield { ...s, status: 'CANCELLED', returns: false, replaced: true }
      return
    case 'irreplaceable':
      if (!['FAILED', 'HELD'].includes(s.status)) yield s
      return
    default:
      yield* commanded(s, op)
  }
}

function isSeen(s, seen) {
  if (seen === null) return s.status === null
  if (s.status !== seen.status || s.tries !== seen.tries || s.purged !== seen.purged || (s.flight !== null) !== seen.inFlight) return false
  return (seen.possibleDuplicate ? s.doubt || s.mark : !s.mark) && seen.attempts <= s.spent
}

/** `op.outcome`: `changed`, the code with which it was left, `unmeant` (a filter, and it is not in the answer), or null: nobody knows. */
function* commanded(s, op) {
  const is = (outcome) => op.outcome === outcome
  if (s.status === null || s.purged) {
    if (is(op.named ? 'ERR_MESSAGE_ID' : 'unmeant')) yield s
    return
  }
  if (!op.named && op.statuses !== null && !op.statuses.includes(s.status)) {
    if (is('unmeant')) yield s
    return
  }
  if (!APPLIES[op.command].includes(s.status)) {
    if (is(op.named ? 'ERR_STATE' : 'unmeant')) yield s
    return
  }
  if (s.flight !== null && REFUSED_IN_FLIGHT.includes(op.command)) {
    if (is('ERR_IN_FLIGHT')) yield s
    return
  }
  if (is('OVERTAKEN') && PUTS_BACK.includes(op.command) && !op.allowOvertaken) yield s
  if (is('changed') || op.outcome === null) yield changedBy(op.command, s)
}

function changedBy(command, s) {
  const mark = s.mark || s.doubt
  switch (command) {
    case 'retry': return s.status === 'PENDING' ? s : { ...s, status: 'PENDING', spent: 0, mark, returns: false }
    case 'release': return { ...s, status: 'PENDING', spent: 0, mark }
    case 'resend': return { ...s, status: 'PENDING', spent: 0, doubt: true, mark: true }
    case 'hold': return { ...s, status: 'HELD' }
    case 'cancel': return s.flight === null ? { ...s, status: 'CANCELLED', returns: false } : { ...s, withdrawn: true }
    default: return { ...s, status: DELIVERED.includes(s.status) ? s.status : 'CANCELLED', purged: true, returns: false }
  }
}
