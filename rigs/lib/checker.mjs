// What must hold of what callers saw and what the receiver got. Knows nothing of the product's inside.

/**
 * @param calls what applications called (Journal.calls)
 * @param arrivals what the receiver got (receiver.arrivals), everything delivered by now
 * @param states control id -> `{ status, possibleDuplicate }` as the door says at the end; null if it was not asked
 * @param events times, or spans `[from, to]`, in which a sender died, a connection broke, an answer was withheld or its outcome could
 *   not be stored: each may repeat one message of a lane
 * An arrival whose answer asked for another attempt says so in `again`; it needs no event and no mark.
 * Answers `{ figures, violations }`.
 */
export function check({ calls, arrivals, states = null, events = [] }) {
  const violations = []
  const byControl = new Map()
  const byLane = new Map()
  for (const arrival of arrivals) {
    const call = calls.get(arrival.control)
    if (call === undefined) {
      violations.push(`${arrival.control} arrived and nobody enqueued it`)
      continue
    }
    if (call.digest !== arrival.digest) violations.push(`${arrival.control} arrived with other bytes`)
    grouped(byControl, arrival.control).push(arrival)
    grouped(byLane, call.lane).push(arrival)
  }
  let resolved = 0
  for (const call of calls.values()) {
    if (call.resolved === null) continue
    resolved += 1
    if (!byControl.has(call.control)) violations.push(`lost: ${call.control} was resolved and never arrived`)
    const state = states?.get(call.control)
    if (states !== null && state?.status !== 'ACKNOWLEDGED') violations.push(`${call.control} was resolved and is ${state?.status ?? 'unknown'}`)
  }
  let repeats = 0
  for (const [lane, list] of byLane) {
    repeats += checkLane(lane, list, { calls, states, events, violations })
  }
  return { figures: { enqueued: resolved, arrived: arrivals.length, repeats, lanes: byLane.size }, violations }
}

function checkLane(lane, arrivals, { calls, states, events, violations }) {
  const rank = new Map()
  const newestOf = new Map()
  const answered = new Set()
  let repeats = 0
  let newest = 0
  let latestCall = -Infinity
  let open = null
  for (const arrival of arrivals) {
    const call = calls.get(arrival.control)
    if (open !== null && open.control !== arrival.control && (open.ended ?? Infinity) > arrival.at) {
      violations.push(`two of ${lane} in flight: ${arrival.control} arrived while ${open.control} was not answered`)
    }
    open = arrival
    const known = rank.get(arrival.control)
    if (known !== undefined) {
      repeats += 1
      if (known.rank < newest) violations.push(`old after new: ${arrival.control} of ${lane} arrived again after later ones`)
      if (known.again === true) {
        Object.assign(known, { at: arrival.at, again: arrival.again })
        continue
      }
      const event = events.findIndex((event, index) => endOf(event) >= known.at && beginningOf(event) <= arrival.at && !answered.has(index))
      if (event === -1) violations.push(`${arrival.control} of ${lane} arrived again without a cause`)
      else answered.add(event)
      if (states !== null && states.get(arrival.control)?.possibleDuplicate !== true) violations.push(`${arrival.control} arrived again and is not marked`)
      Object.assign(known, { at: arrival.at, again: arrival.again })
      continue
    }
    newest = rank.size
    rank.set(arrival.control, { rank: newest, at: arrival.at, again: arrival.again })
    // Of one process: the order of its calls, unless it had to call again.
    if (call.rejected === 0) {
      const before = newestOf.get(call.process)
      if (before !== undefined && before.n > call.n) violations.push(`reordered: ${call.control} of ${lane} was called before ${before.control} and arrived after it`)
      else newestOf.set(call.process, call)
    }
    // Between processes: what was called after another had resolved comes later.
    if (call.resolved !== null && call.resolved < latestCall) violations.push(`reordered: ${call.control} of ${lane} was resolved before another was called, and arrived after it`)
    latestCall = Math.max(latestCall, call.called)
  }
  return repeats
}

const beginningOf = (event) => (Array.isArray(event) ? event[0] : event)
const endOf = (event) => (Array.isArray(event) ? event[1] : event)

function grouped(map, key) {
  let list = map.get(key)
  if (list === undefined) map.set(key, (list = []))
  return list
}
