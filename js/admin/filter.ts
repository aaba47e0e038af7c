/** Filters as the page sends them: the address's query for looking, JSON for commands. Unknown keys are refused by the outbox. */
import type { MessageFilter } from '../facade/index.js'
import { malformed } from './http.js'

const TEXTS = ['destination', 'messageType', 'failureCode', 'from', 'to'] as const
const SWITCHES = ['warning', 'possibleDuplicate'] as const
const TAG = 'tag.'

/** A search in control ids is no part of the outbox's filter, so it comes apart. */
export interface Asked {
  filter: MessageFilter
  controlId: string | undefined
  cursor: string | undefined
}

export function asked(query: URLSearchParams): Asked {
  const filter: MessageFilter = {}
  const status = query.getAll('status').filter((each) => each !== '')
  if (status.length > 0) filter.status = status as NonNullable<MessageFilter['status']>
  for (const name of TEXTS) {
    const value = query.get(name)
    if (value !== null && value !== '') filter[name] = value
  }
  for (const name of SWITCHES) {
    const value = query.get(name)
    if (value === 'true' || value === 'false') filter[name] = value === 'true'
  }
  const tags: [string, string][] = []
  for (const [name, value] of query) {
    if (name.startsWith(TAG) && value !== '') tags.push([name.slice(TAG.length), value])
  }
  if (tags.length > 0) filter.tags = Object.fromEntries(tags)
  return { filter, controlId: filled(query.get('controlId')), cursor: filled(query.get('cursor')) }
}

function filled(value: string | null): string | undefined {
  return value === null || value.trim() === '' ? undefined : value.trim()
}

/** A command's filter. One without any condition means all messages, and is not taken for an oversight of the page's. */
export function commanded(value: unknown): MessageFilter {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('`filter` must be an object')
  const { tags } = value as { tags?: unknown }
  if (tags !== undefined && (typeof tags !== 'object' || tags === null || Array.isArray(tags))) throw malformed('`tags` must be an object')
  return value
}
