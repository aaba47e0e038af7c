/** Who asks, what they may do, and whose messages they see. The host says so; what it says is checked before it is believed. */
import type { MessageFilter } from '../facade/index.js'

/**
 * What a person may do; `pause` is pausing and resuming a destination, `reveal` is reading what stands in a message, `rectify`
 * is noting on refusals who sees to them and whether their cause is mended.
 */
export const PERMISSIONS = ['view', 'retry', 'cancel', 'hold', 'release', 'resend', 'replace', 'purge', 'rectify', 'pause', 'reveal'] as const
export type Permission = (typeof PERMISSIONS)[number]

export interface Access {
  /** Recorded with every command and every look into a message. */
  actor: string
  may: readonly Permission[]
  /** Only messages that bear all of these tags exist for this person. Absent: all messages. */
  tags?: Readonly<Record<string, string>>
}

export type Authorize = (request: Request) => Access | null | Promise<Access | null>

/** An answer that is no error of ours: the status, and the code that the page has words for. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message)
  }
}

export const denied = (): Refusal => new Refusal(403, 'DENIED', 'not signed in, or not allowed to see this page')
/** The same words for what does not exist and for what is another's. */
export const unknown = (): Refusal => new Refusal(404, 'ERR_MESSAGE_ID', 'there is no such message')

const ACTOR_MAX = 500

/** What the host's function said, if it is whole. A limit that is half there (a tag without a value) denies, it never widens. */
export async function accessOf(authorize: Authorize | undefined, request: Request): Promise<Access> {
  const given: unknown = typeof authorize === 'function' ? await authorize(request) : null
  if (typeof given !== 'object' || given === null) throw denied()
  const { actor, may, tags } = given as Record<string, unknown>
  if (typeof actor !== 'string' || actor.trim() === '' || actor.length > ACTOR_MAX || !Array.isArray(may)) throw denied()
  const known = PERMISSIONS.filter((each) => may.includes(each))
  if (!known.includes('view')) throw denied()
  if (!('tags' in given)) return { actor, may: known }
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) throw denied()
  const limits = Object.entries(tags as Record<string, unknown>)
  if (limits.length === 0 || limits.some(([key, value]) => key === '' || typeof value !== 'string' || value === '')) throw denied()
  return { actor, may: known, tags: Object.fromEntries(limits) as Record<string, string> }
}

export function demand(access: Access, permission: Permission): void {
  if (!access.may.includes(permission)) throw new Refusal(403, 'NOT_PERMITTED', `${access.actor} may not ${permission}`)
}

/** The filter within the person's limits; null if it asks for what lies outside them, which matches nothing. */
export function limited<Filter extends Pick<MessageFilter, 'tags'>>(access: Access, filter: Filter): Filter | null {
  if (access.tags === undefined) return filter
  for (const [key, value] of Object.entries(access.tags)) {
    const asked = filter.tags?.[key]
    if (asked !== undefined && asked !== value) return null
  }
  return { ...filter, tags: { ...filter.tags, ...access.tags } }
}

export function maySee(access: Access, tags: Readonly<Record<string, string>>): boolean {
  return Object.entries(access.tags ?? {}).every(([key, value]) => Object.hasOwn(tags, key) && tags[key] === value)
}
