// What must hold between the messages of a lane. A rule speaks only where no order of what was seen could excuse it: a message
// was in flight for certain, or stood in its lane for certain, at every moment at which another can have been claimed.
import { always, ever } from './explain.mjs'
import { NEVER } from './observed.mjs'
import { stands } from './machine.mjs'

/** The walls' clock is compared with the monotonic one. */
const WALL_US = 100_000

/** `lane`: its messages, each explained (`layers`), `final` and with its `place` (see placesOf). Answers violations. */
export function checkLane(lane, { setup, ends, pauses }) {
  const violations = []
  const arrivals = lane.flatMap((message) => message.ops.filter(({ kind }) => kind === 'arrival').map((op) => ({ message, op, arrival: message.arrivals[op.index] })))
  const flights = []
  for (const one of arrivals.sort((one, other) => one.arrival.at - other.arrival.at)) {
    // What was in flight in the lane before it had ended when it was claimed.
    const claimed = Math.max(one.op.claimed, ...flights.map(({ to }) => to))
    const flight = flightOf(one, claimed, ends)
    if (flight.to <= flight.from) continue
    const over = flights.find(({ to }) => to > flight.from)
    flights.push(flight)
    if (over !== undefined) {
      violations.push(`two of a lane in flight: ${flight.message.name} arrived at ${flight.from} while ${over.message.name} was in flight until ${over.to}`)
      continue
    }
    violations.push(...beforeIt({ lane, flight, claimed, setup }))
    const pause = pauses.find(({ destination, from, to }) => destination === flight.message.destination && claimed > from && flight.from < to)
    if (pause !== undefined) violations.push(`paused: ${flight.message.name} arrived at ${flight.from}; its destination was paused from ${pause.from} to ${pause.to}`)
  }
  for (const message of lane) violations.push(...overtaking(message, lane))
  return violations
}

/** When it was in flight for certain: from its arrival until the first moment at which its sender could let go of it. */
function flightOf({ message, arrival }, claimed, ends) {
  const gone = ends.filter(({ process, to }) => process === arrival.sender && to >= arrival.since).map(({ from }) => from)
  const to = Math.min(arrival.answered ?? NEVER, arrival.cut ?? NEVER, Math.max(arrival.since, claimed) + message.limits.answerUs, ...gone)
  return { message, from: arrival.at, to }
}

/** What one list shows of a lane at one moment, and so whatever the times were. */
export function* checkList({ process, ended, value: { items } }, lane) {
  const shown = lane.flatMap((message) => items.filter((item) => item.destination === message.destination && item.controlId === message.control).map((item) => ({ message, item })))
  const flying = shown.filter(({ item }) => item.inFlight)
  if (flying.length > 1) yield `two of a lane in flight: ${flying.map(({ message }) => message.name).join(' and ')} in a list of ${process} that ended at ${ended}`
  const waits = shown.find(({ message, item }) => item.status === 'PENDING' && item.tries === 0 && hasStood(message))
  const tried = waits && shown.find(({ message, item }) => item.tries > 0 && isBefore(waits.message.place, message.place))
  if (tried) yield `order: ${tried.message.name} was claimed and ${waits.message.name} stood before it, in a list of ${process} that ended at ${ended}`
}

/** It has stood in its lane since it was stored: nobody had it on hold or put it back, and it was due at once. */
function hasStood({ ops, calls, notBefore, final }) {
  const isMoved = ({ kind, command, outcome }) => kind === 'command' && ['hold', 'release', 'retry', 'cancel'].includes(command) && (outcome === 'changed' || outcome === null)
  return notBefore === null && final.replaces === null && !calls.some(({ hold }) => hold) && !ops.some(isMoved)
}

function beforeIt({ lane, flight, claimed, setup }) {
  const found = []
  const wall = setup.wall.ms + (claimed - WALL_US - setup.wall.us) / 1_000
  for (const other of lane) {
    if (other === flight.message || !isBefore(other.place, flight.message.place)) continue
    if (other.notBefore !== null && other.notBefore > wall) continue
    const bars = ({ status }) => setup.destinations[other.destination].holdsLane && status === 'FAILED'
    if (!always(other.layers, claimed, flight.from, (state) => stands(state) || bars(state))) continue
    const isDead = ever(other.layers, claimed, flight.from, bars)
    found.push(`order: ${flight.message.name} arrived at ${flight.from}, and ${other.name} ${isDead ? 'was a dead letter that holds the lane' : 'stood before it in the lane'} since ${claimed} at least`)
  }
  return found
}

/** A person who does not allow it puts nothing back behind which others were delivered; and is told so only where it is true. */
function overtaking(message, lane) {
  const found = []
  const later = lane.filter((other) => other !== message && isBefore(message.place, other.place))
  for (const { kind, command, outcome, allowOvertaken, began, ended, words } of message.ops) {
    if (kind !== 'command' || !['retry', 'release', 'resend'].includes(command) || allowOvertaken) continue
    if (outcome === 'changed') {
      const newer = later.find(({ layers }) => always(layers, began, began, ({ delivered }) => delivered))
      if (newer !== undefined) found.push(`overtaken: ${words} put ${message.name} back although ${newer.name} was delivered`)
      if (always(message.layers, began, began, ({ replaced }) => replaced)) found.push(`overtaken: ${words} put ${message.name} back although a correction stands for it`)
    }
    if (outcome === 'OVERTAKEN') {
      const isSo = ever(message.layers, began, ended, ({ replaced }) => replaced) || later.some(({ layers }) => ever(layers, began, ended, ({ delivered }) => delivered))
      if (!isSo) found.push(`overtaken: ${words} left ${message.name}, of which no later one can have been delivered`)
    }
  }
  return found
}

const isBefore = (one, other) => one[0] < other[0] || (one[0] === other[0] && one[1] < other[1])

/** Gives each message its place: its number, or for a correction of the same lane the place of what it replaces. */
export function placesOf(messages, byId) {
  const placeOf = (message) => {
    if (message.place !== undefined) return message.place
    const old = messages.get(byId.get(message.final.replaces ?? ''))
    const isThere = old?.final && old.lane !== null && old.lane === message.lane && old.destination === message.destination
    message.place = [isThere ? placeOf(old)[0] : message.final.seq, message.final.seq]
    return message.place
  }
  for (const message of messages.values()) if (message.final) placeOf(message)
}
