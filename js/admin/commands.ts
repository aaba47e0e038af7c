/** Commands of persons: within their limits, with a reason, and telling for each message what became of it. */
import { checkHl7, type Changed, type Finding, type MessageFilter } from '../facade/index.js'
import { demand, limited, maySee, Refusal, type Access, type Permission } from './access.js'
import { commanded } from './filter.js'
import { malformed, optionalText, text } from './http.js'
import { visible } from './message.js'
import type { Surface } from './surface.js'

/**
 * Each command's method, the states in which a message can be meant by it, and where it begins. What leaves a lane leaves from its end, as
 * in the store: between two slices no message goes that comes after one that is out already.
 */
const METHODS = {
  retry: { method: 'retryMessages', order: 'oldest', states: ['PENDING', 'FAILED', 'CANCELLED'] },
  cancel: { method: 'cancelMessages', order: 'newest', states: ['PENDING', 'HELD', 'FAILED'] },
  hold: { method: 'holdMessages', order: 'newest', states: ['PENDING'] },
  release: { method: 'releaseMessages', order: 'oldest', states: ['HELD'] },
  resend: { method: 'resendMessages', order: 'oldest', states: ['SENT', 'ACKNOWLEDGED'] },
  purge: { method: 'purgeMessages', order: 'newest', states: ['PENDING', 'HELD', 'SENT', 'ACKNOWLEDGED', 'FAILED', 'CANCELLED'] },
} as const
type Command = keyof typeof METHODS
const OVERTAKING: ReadonlySet<string> = new Set(['retry', 'release', 'resend'])
/** Ids of one command, as many as a filter takes. */
const IDS_MAX = 1_000
/** Of a command on all that match: messages of one commit, and of one request. New messages are stored in between. */
const SLICE = 250
const REQUEST_MS_MAX = 2_000
const LISTED_MAX = 1_000
/** The message is not as the page showed it: another person or an attempt was there first. */
const CHANGED_MEANWHILE = 'CHANGED_MEANWHILE'

/** Commands of this process follow one another, so that what the second looks at is what the first left. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => undefined)
    return turn
  }
}

export interface Commanded extends Changed {
  /** Of a command on all that match: where to go on, with the same command; null when all are done. */
  next?: string | null
}

export async function command(outbox: Surface, access: Access, turns: Turns, body: Record<string, unknown>): Promise<Commanded> {
  const name = text(body, 'command')
  if (!Object.hasOwn(METHODS, name)) throw malformed('there is no such command')
  demand(access, name as Permission)
  const by = { actor: access.actor, reason: reasonOf(body), ...(body.allowOvertaken === true && OVERTAKING.has(name) ? { allowOvertaken: true } : {}) }
  const { method, order, states } = METHODS[name as Command]
  if (body.messages !== undefined) {
    const seen = seenOf(body.messages)
    return turns.take(() => named(outbox, access, seen, (filter) => outbox[method](filter, by)))
  }
  const filter = commanded(body.filter)
  const conditions = Object.entries(filter).filter(([key, value]) => value !== undefined && key !== 'to')
  if (conditions.length === 0 && body.all !== true) throw new Refusal(400, 'ALL_MESSAGES', 'without a filter the command means all messages; say so')
  const within = limited(access, filter)
  if (within === null) return { changed: [], unchanged: [], count: 0, next: null }
  const known: readonly string[] = METHODS.purge.states
  if (within.status !== undefined && [within.status].flat().some((state) => !known.includes(state))) throw malformed('there is no such status')
  const meant = within.status === undefined ? states : states.filter((state) => [within.status].flat().includes(state))
  if (meant.length === 0) return { changed: [], unchanged: [], count: 0, next: null }
  return slices(outbox, { ...within, status: [...meant] }, order, optionalText(body, 'cursor'), (part) => turns.take(() => outbox[method](part, by)))
}

/**
 * All that match, a slice a request of the store: it would carry out all by itself, but then a person could neither see how far it has
 * come nor stop it by leaving, whichever process answers the next request. The filter goes with the ids, so that what does not match any
 * more is left out.
 */
async function slices(outbox: Surface, filter: MessageFilter, order: 'oldest' | 'newest', from: string | undefined, act: (filter: MessageFilter) => Promise<Changed>): Promise<Commanded> {
  const done: Commanded = { changed: [], unchanged: [], count: 0, next: from ?? null }
  const until = performance.now() + REQUEST_MS_MAX
  do {
    const cursor: string | undefined = done.next ?? undefined
    const { items, nextCursor } = await outbox.listMessages({ ...filter, order, limit: SLICE, ...(cursor === undefined ? {} : { cursor }) })
    if (items.length > 0) {
      const part = await act({ ...filter, ids: items.map(({ id }) => id) })
      done.count += part.count
      done.changed = [...done.changed, ...part.changed].slice(0, LISTED_MAX)
      done.unchanged = [...done.unchanged, ...part.unchanged].slice(0, LISTED_MAX)
    }
    done.next = nextCursor
  } while (done.next !== null && performance.now() < until)
  return done
}

/** Each message with the time of its last change as the page showed it. */
function seenOf(value: unknown): Map<string, string> {
  const refused = malformed(`\`messages\` must be 1 to ${IDS_MAX} objects of id and updatedAt`)
  if (!Array.isArray(value) || value.length === 0 || value.length > IDS_MAX) throw refused
  return new Map(
    value.map((each: unknown) => {
      const { id, updatedAt } = (typeof each === 'object' && each !== null ? each : {}) as Record<string, unknown>
      if (typeof id !== 'string' || typeof updatedAt !== 'string') throw refused
      return [id, updatedAt]
    }),
  )
}

/** Only those that are still as they were shown: of two who press at once, the second changes nothing. */
async function named(outbox: Surface, access: Access, seen: Map<string, string>, act: (filter: MessageFilter) => Promise<Changed>): Promise<Changed> {
  const ids = [...seen.keys()]
  const { items } = await outbox.listMessages({ ids, limit: IDS_MAX, ...(access.tags === undefined ? {} : { tags: { ...access.tags } }) })
  const same = items.filter(({ id, updatedAt, tags }) => seen.get(id) === updatedAt && maySee(access, tags)).map(({ id }) => id)
  const changed = same.length === 0 ? { changed: [], unchanged: [], count: 0 } : await act({ ids: same, ...(access.tags === undefined ? {} : { tags: { ...access.tags } }) })
  const known = new Set(items.map(({ id }) => id))
  const meant = new Set(same)
  const left = ids.filter((id) => !meant.has(id)).map((id) => ({ id, code: known.has(id) ? CHANGED_MEANWHILE : 'ERR_MESSAGE_ID' }))
  return { ...changed, unchanged: [...changed.unchanged, ...left] }
}

export async function steer(outbox: Surface, access: Access, body: Record<string, unknown>): Promise<{ done: true }> {
  demand(access, 'pause')
  const by = { actor: access.actor, reason: reasonOf(body) }
  const [name, destination] = [text(body, 'command'), text(body, 'destination')]
  if (name === 'pause') await outbox.pauseDestination(destination, by)
  else if (name === 'resume') await outbox.resumeDestination(destination, by)
  else throw malformed('there is no such command')
  return { done: true }
}

export async function replace(outbox: Surface, access: Access, turns: Turns, body: Record<string, unknown>): Promise<{ id: string; controlId: string }> {
  demand(access, 'replace')
  const by = { actor: access.actor, reason: reasonOf(body) }
  const [id, corrected, updatedAt] = [text(body, 'id'), text(body, 'text'), text(body, 'updatedAt')]
  return turns.take(async () => {
    const message = await visible(outbox, access, id)
    if (message.updatedAt !== updatedAt) throw new Refusal(409, CHANGED_MEANWHILE, 'the message was changed meanwhile; look at it again')
    const stored = await outbox.replaceMessage(id, segments(corrected), by)
    return { id: stored.id, controlId: stored.controlId }
  })
}

/** What a correction would be told by a strict receiver; nothing is stored. */
export function check(access: Access, body: Record<string, unknown>): { findings: Finding[] } {
  demand(access, 'replace')
  return { findings: checkHl7(segments(text(body, 'text'))) }
}

/** A text field of a browser breaks lines its own way; HL7 ends a segment with CR. */
function segments(given: string): string {
  return given.replace(/\r\n|\n/g, '\r').replace(/\r*$/, '\r')
}

export function reasonOf(body: Record<string, unknown>): string {
  const reason = text(body, 'reason').trim()
  if (reason === '') throw new Refusal(400, 'REASON_MISSING', 'a command needs a reason')
  return reason
}
