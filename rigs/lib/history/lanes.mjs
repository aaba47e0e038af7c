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
  const flights = lane.flatMap((message) => message.ops.filter(({ kind }) => kind === 'arrival').map((op) => flightOf(message, op, ends))).filter(({ from, to }) => to > from).sort((one, other) => one.from - other.from)
  for (let n = 0; n < flights.length; n++) {
    const flight = flights[n]
    const over = flights.slice(0, n).find(({ to }) => to > flight.from)
    if (over !== undefined) {
      violations.push(`two of a lane in flight: ${flight.message.name} arrived at ${flight.from} while ${over.message.name} was in flight until ${over.to}`)
      continue
    }
    // What was in flight in the lane before it had ended when it was claimed.
    const claimed = Math.max(flight.claimed, ...flights.slice(0, n).map(({ to }) => to))
    violations.push(...beforeIt({ lane, flight, claimed, setup }))
    const pause = pauses.find(({ destination, from, to }) => destination === flight.message.destination && claimed > from && flight.from < to)
    if (pause !== undefined) violations.push(`paused: ${flight.message.name} arrived at ${flight.from}; its destination was paused from ${pause.from} to ${pause.to}`)
  }
  for (const message of lane) violations.push(...overtaking(message, lane))
  return violations
}

/** When it was in flight for certain: from its arrival until the first moment at which its sender could let go of it. */
function flightOf(message, { index, claimed }, ends) {
  const arrival = message.arrivals[index]
  const gone = ends.filter(({ process, to }) => process === arrival.sender && to >= arrival.since).map(({ from }) => from)
  const to = Math.min(arrival.answered ?? NEVER, arrival.cut ?? NEVER, arrival.since + message.limits.answerUs, ...gone)
  return { message, claimed, from: arrival.at, to }
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
