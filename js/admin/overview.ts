/** How the outbox is, at a glance. Nothing here counts all messages: figures come from the tally, or from so many of the newest. */
import type { Health, Message, Stats } from '../facade/index.js'
import type { Access } from './access.js'
import type { Surface } from './surface.js'

const HOUR_MS = 3_600_000
const HOURS = 24
const PAGE = 1_000
/** The newest messages that charts are made of; the page says so when there are more. */
const LOOKED_AT_MAX = 10_000

/** Figures are shared by all who look with the same limits, for so long. */
const STATS_MS = 1_000
const HISTORY_MS = 30_000
const KEPT_MAX = 100

/** Results that are a little old are good enough; of several who ask at once one asks the outbox. */
export class Kept {
  readonly #values = new Map<string, { at: number; value: Promise<unknown> }>()

  get<T>(key: string, ms: number, ask: () => Promise<T>): Promise<T> {
    const known = this.#values.get(key)
    const now = performance.now()
    if (known !== undefined && now - known.at < ms) return known.value as Promise<T>
    const value = ask()
    this.#values.delete(key)
    this.#values.set(key, { at: now, value })
    if (this.#values.size > KEPT_MAX) this.#values.delete(this.#values.keys().next().value ?? '')
    value.catch(() => {
      if (this.#values.get(key)?.value === value) this.#values.delete(key)
    })
    return value
  }

  /** After a command whoever looks sees what it did. */
  forget(): void {
    this.#values.clear()
  }
}

export interface Overview {
  /** null: there were too many to count in time. */
  stats: Stats | null
  health: Pick<Health, 'status'> & {
    problems: Health['problems']
    dispatcher: Health['dispatcher']
    destinations: Record<string, Omit<Health['destinations'][string], 'pending' | 'inFlight'> & { pending: number | null; inFlight: number | null }>
    file: Health['file'] | null
  }
}

const filterOf = (access: Access): { tags?: Record<string, string> } => (access.tags === undefined ? {} : { tags: { ...access.tags } })
/** Whose limits are the same sees the same. */
export const keyOf = (access: Access): string => JSON.stringify(Object.entries(access.tags ?? {}).sort())

export async function overview(outbox: Surface, access: Access, kept: Kept): Promise<Overview> {
  const [stats, health] = await Promise.all([figures(outbox, access, kept), kept.get('health', STATS_MS, () => outbox.getHealth())])
  return { stats, health: access.tags === undefined ? health : withoutOthers(health, stats) }
}

export async function figures(outbox: Surface, access: Access, kept: Kept): Promise<Stats | null> {
  try {
    return await kept.get(`stats ${keyOf(access)}`, STATS_MS, () => outbox.getStats(filterOf(access)))
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_QUERY_TIMEOUT') return null
    throw error
  }
}

/** Of the destinations what concerns all: states, without numbers. */
export async function standings(outbox: Surface, kept: Kept): Promise<unknown> {
  const { status, destinations } = await kept.get('health', STATS_MS, () => outbox.getHealth())
  return [status, Object.entries(destinations).map(([name, { state, since }]) => [name, state, since])]
}

/** Health counts everybody's messages, also in its problems. Who sees a part of them gets what concerns all, without numbers. */
function withoutOthers(health: Health, stats: Stats | null): Overview['health'] {
  const destinations = Object.entries(health.destinations).map(([name, each]) => {
    return [name, { ...each, pending: stats === null ? null : (stats.byDestination[name]?.PENDING ?? 0), inFlight: null }] as const
  })
  return { status: health.status, problems: [], dispatcher: health.dispatcher, destinations: Object.fromEntries(destinations), file: null }
}

export interface Hour {
  /** When it began. */
  at: string
  stored: number
  delivered: number
  /** From stored to delivered, of those delivered in this hour; the middle one, and the one that 5 % were slower than. */
  p50: number | null
  p95: number | null
}

export interface History {
  hours: Hour[]
  /** Set if there were more messages than were looked at: hours before it are not whole. */
  wholeSince: string | null
}

export function history(outbox: Surface, access: Access, kept: Kept, now = Date.now()): Promise<History> {
  return kept.get(`history ${keyOf(access)}`, HISTORY_MS, async () => {
    const first = Math.floor(now / HOUR_MS) * HOUR_MS - (HOURS - 1) * HOUR_MS
    const { items, more } = await newest(outbox, { ...filterOf(access) }, LOOKED_AT_MAX, first)
    const hours = Array.from({ length: HOURS }, (_, n) => ({ at: first + n * HOUR_MS, stored: 0, times: [] as number[] }))
    const hourOf = (at: string | null): (typeof hours)[number] | undefined => (at === null ? undefined : hours[Math.floor((Date.parse(at) - first) / HOUR_MS)])
    for (const { createdAt, sentAt } of items) {
      const stored = hourOf(createdAt)
      if (stored !== undefined) stored.stored++
      if (sentAt !== null) hourOf(sentAt)?.times.push(Math.max(0, Date.parse(sentAt) - Date.parse(createdAt)))
    }
    const oldest = items.at(-1)
    return {
      hours: hours.map(({ at, stored, times }) => {
        times.sort((one, other) => one - other)
        const share = (part: number): number | null => times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? null
        return { at: new Date(at).toISOString(), stored, delivered: times.length, p50: share(0.5), p95: share(0.95) }
      }),
      wholeSince: more && oldest !== undefined ? oldest.createdAt : null,
    }
  })
}

async function newest(outbox: Surface, filter: Parameters<Surface['listMessages']>[0], max: number, since = 0): Promise<{ items: Message[]; more: boolean }> {
  const items: Message[] = []
  let cursor: string | undefined
  do {
    const page = await outbox.listMessages({ ...filter, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
    items.push(...page.items)
    const last = page.items.at(-1)
    if (page.nextCursor === null || (last !== undefined && Date.parse(last.createdAt) < since)) return { items, more: false }
    cursor = page.nextCursor
  } while (items.length < max)
  return { items, more: true }
}
