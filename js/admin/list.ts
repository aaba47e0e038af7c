/** The list: pages by key, and the search in control ids. */
import type { Message, MessageFilter, Page } from '../facade/index.js'
import { limited, type Access } from './access.js'
import type { Asked } from './filter.js'
import type { Surface } from './surface.js'

const LIMIT = 50
/** Messages that one step of a search looks through; the page offers the next step. */
const SEARCH_MAX = 5_000
const SEARCH_PAGE = 200
/** Ids of one question, as many as a filter takes. */
const IDS_MAX = 1_000
const DESTINATIONS_MAX = 50

export interface Listed extends Page<Message> {
  /** Of a search: how many were looked through, and how far back. */
  searched?: { count: number; backTo: string | null }
}

export async function list(outbox: Surface, access: Access, { filter, controlId, cursor }: Asked): Promise<Listed> {
  const within = limited(access, filter)
  if (within === null) return { items: [], nextCursor: null }
  const found = controlId === undefined ? await page(outbox, within, cursor, LIMIT) : await search(outbox, within, controlId, cursor)
  return { ...found, items: await blanked(outbox, access, found.items) }
}

function page(outbox: Surface, filter: MessageFilter, cursor: string | undefined, limit: number): Promise<Page<Message>> {
  return outbox.listMessages({ ...filter, limit, ...(cursor === undefined ? {} : { cursor }) })
}

/** A whole control id is found by its index, whatever its age; a part of one is looked for from the newest, step by step. */
async function search(outbox: Surface, filter: MessageFilter, controlId: string, cursor: string | undefined): Promise<Listed> {
  const exact = cursor === undefined ? await named(outbox, filter, controlId) : []
  const part = controlId.toLowerCase()
  const items = [...exact]
  const known = new Set(exact.map(({ id }) => id))
  let [next, count, backTo]: [string | null | undefined, number, string | null] = [cursor, 0, null]
  do {
    const { items: looked, nextCursor } = await page(outbox, filter, next ?? undefined, SEARCH_PAGE)
    count += looked.length
    backTo = looked.at(-1)?.createdAt ?? backTo
    items.push(...looked.filter((each) => each.controlId.toLowerCase().includes(part) && !known.has(each.id)))
    next = nextCursor
  } while (next !== null && count < SEARCH_MAX && items.length < LIMIT)
  return { items, nextCursor: next, searched: { count, backTo } }
}

/** The index is by destination and control id: asked without a destination, it would be no help. */
async function named(outbox: Surface, filter: MessageFilter, controlId: string): Promise<Message[]> {
  const destinations = filter.destination === undefined ? Object.keys((await outbox.getHealth()).destinations).slice(0, DESTINATIONS_MAX) : [filter.destination]
  const pages = await Promise.all(destinations.map((destination) => outbox.listMessages({ ...filter, destination, controlIds: [controlId] })))
  return pages.flatMap(({ items }) => items)
}

/** What stands for a message that the person may not see: a lane may hold messages of several schools. */
export const ANOTHERS = 'another'
const REFERENCES = ['blockedBy', 'replaces', 'replacedBy'] as const

/** The messages without the ids of others that the person may not see. */
export async function blanked(outbox: Surface, access: Access, items: Message[]): Promise<Message[]> {
  if (access.tags === undefined) return items
  const named = new Set(items.flatMap((each) => REFERENCES.map((name) => each[name]).filter((id) => id !== null)))
  const seen = new Set(items.map(({ id }) => id))
  const asked = [...named].filter((id) => !seen.has(id))
  if (asked.length > 0) {
    const { items: visible } = await outbox.listMessages({ ids: asked.slice(0, IDS_MAX), tags: { ...access.tags }, limit: IDS_MAX })
    for (const { id } of visible) seen.add(id)
  }
  return items.map((each) => {
    const shown = { ...each }
    for (const name of REFERENCES) {
      const id = shown[name]
      if (id !== null && !seen.has(id)) shown[name] = ANOTHERS
    }
    return shown
  })
}
