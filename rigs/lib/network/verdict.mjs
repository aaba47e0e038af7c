// What must hold of one episode: what the peer got and said, against what the door says of each message.
/** The highest `concurrency` of a destination. */
export const ATTEMPTS_AT_ONCE_MAX = 4
/**
 * @param messages control id -> the message, and its attempts, as the door says at the end
 * @param peer the peer of the episode
 * @param timeoutMs the shortest deadline of the destination
 * Answers `{ violations, slow, doubts }`; `slow` counts exchanges that the machine, not the script, made too slow, which is a
 * doubt like any other, and needs no fault.
 */
export function judge({ messages, peer, timeoutMs }) {
  const violations = []
  let slow = 0
  let doubts = 0
  const sudden = []
  const byControl = groupBy(peer.exchanges.filter(({ whole }) => whole !== null), ({ control }) => control)
  for (const [control, { message, attempts }] of messages) {
    const exchanges = byControl.get(control) ?? []
    const last = exchanges.at(-1)
    if (message.status === 'ACKNOWLEDGED' && (last?.accepted ?? null) === null) {
      violations.push(`credited wrongly: ${control} is ACKNOWLEDGED, and its last exchange (${describe(last)}) brought no acceptance of it`)
    }
    const lateOnes = attempts.filter((attempt) => isLate(attempt, timeoutMs))
    const late = lateOnes.length
    const firm = exchanges.slice(0, -1).filter(isFirm)
    slow += Math.min(firm.length, late)
    if (firm.length > late) violations.push(`repeated without a doubt: ${control} was accepted (${describe(firm[0])}) and came again: ${attempts.map(brief).join(', ')}`)
    violations.push(...judgeAttempts(control, message, attempts))
    const doubted = attempts.filter(({ outcome }) => outcome === 'indeterminate')
    doubts += doubted.length
    sudden.push(...doubted.filter((attempt) => !lateOnes.includes(attempt)).map(({ n, code }) => `${control}.${n} ${code}`))
  }
  const doubtful = peer.fired.reduce((sum, fired) => sum + doubtsOf(fired), 0) + peer.exchanges.filter(({ isDisturbed, fault }) => isDisturbed && fault === null).length
  if (sudden.length > doubtful) violations.push(`these attempts ended in doubt before their deadline, and only ${doubtful} faults can have left one: ${sudden.join(', ')}`)
  if (peer.rogueBytes > 0) violations.push(`${peer.rogueBytes} bytes went to a receiver whose certificate nobody vouches for`)
  return { violations, slow, doubts }
}

/** As Map.groupBy, which Node.js 20 does not have. */
export function groupBy(list, keyOf) {
  const groups = new Map()
  for (const item of list) {
    const key = keyOf(item)
    if (!groups.has(key)) groups.set(key, [])
    groups.get(key).push(item)
  }
  return groups
}

const isLate = ({ outcome, startedAt, endedAt }, timeoutMs) => outcome !== 'accepted' && Date.parse(endedAt) - Date.parse(startedAt) >= timeoutMs - 5

/**
 * Times, on the clock of the rig, at which a deadline was the cause of what came again. A machine that stands still lets the peer
 * note an arrival after the outbox has given it up, so the moment is that of the repetition.
 */
export function causedByDeadlines(messages, exchanges, timeoutMs) {
  return [...messages].flatMap(([control, { attempts }]) => {
    const repeats = exchanges.filter((exchange) => exchange.control === control && exchange.whole !== null).slice(1)
    return repeats.slice(0, attempts.filter((attempt) => isLate(attempt, timeoutMs)).length).map(({ whole }) => whole)
  })
}

/** An acceptance that the outbox had to understand. */
const isFirm = (exchange) => exchange.means === 'accepts' && !exchange.isDisturbed && exchange.fault?.cut === undefined

/** How many attempts a fault may leave in doubt. */
function doubtsOf({ fault, wire }) {
  if (fault.isBig || fault.answer === 'busy' || wire.wasNoDoubt) return 0
  // With the listener go those that it had not accepted yet, and that may have spoken already.
  return fault.isGone ? ATTEMPTS_AT_ONCE_MAX : 1
}

function judgeAttempts(control, message, attempts) {
  const violations = []
  const accepted = attempts.filter(({ outcome }) => outcome === 'accepted')
  if (accepted.length !== 1 || attempts.at(-1).outcome !== 'accepted') violations.push(`${control} has ${accepted.length} accepted attempts among ${attempts.map(brief).join(', ')}; ${message.failure?.reason} ${message.failure?.code}`)
  const isInDoubt = attempts.some(({ outcome }) => outcome === 'indeterminate')
  if (message.possibleDuplicate !== isInDoubt) violations.push(`${control} is ${message.possibleDuplicate ? '' : 'not '}marked, and its attempts are ${attempts.map(({ row }) => row).join(', ')}`)
  return violations
}

/** Attempts of one lane must not overlap. */
export function overlaps(lane, attempts) {
  const sorted = attempts.map(({ startedAt, endedAt }) => [Date.parse(startedAt), Date.parse(endedAt)]).sort((a, b) => a[0] - b[0] || a[1] - b[1])
  return sorted.flatMap(([start], n) => (n > 0 && start < sorted[n - 1][1] ? [`two attempts of ${lane} at once`] : []))
}

const brief = ({ row, code, startedAt, endedAt }) => `${row} ${code} after ${Date.parse(endedAt) - Date.parse(startedAt)} ms`

function describe(exchange) {
  if (exchange === undefined) return 'none'
  return `${exchange.fault?.name ?? 'no fault'}, ${exchange.means ?? 'no answer'}`
}
