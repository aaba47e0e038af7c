/** The worklist: dead letters by what they failed of, and what persons note on them; each person's own part of it. */
import type { Refusal, RefusalChange, Refusals } from '../facade/index.js'
import { demand, type Access } from './access.js'
import { reasonOf } from './commands.js'
import { malformed, text } from './http.js'
import { blanked } from './list.js'
import type { Surface } from './surface.js'

const VIEWS = ['open', 'mine', 'rectified', 'all'] as const
type View = (typeof VIEWS)[number]

const partOf = (access: Access): { tags?: Record<string, string> } => (access.tags === undefined ? {} : { tags: { ...access.tags } })

/** With limits, the counts, the examples, the owner, the note and the mark are those of the person's own messages. */
export async function refusals(outbox: Surface, access: Access, query: URLSearchParams): Promise<Refusals> {
  const { state, owner } = shown(query.get('view') ?? 'all', access)
  const found = await outbox.listRefusals({ ...partOf(access), ...(state === undefined ? {} : { state }), ...(owner === undefined ? {} : { owner }) })
  return { ...found, groups: await Promise.all(found.groups.map((group) => withinLimits(outbox, access, group))) }
}

function shown(view: string, access: Access): { state?: 'open' | 'rectified'; owner?: string } {
  if (!VIEWS.includes(view as View)) throw malformed('there is no such view')
  if (view === 'mine') return { state: 'open', owner: access.actor }
  return view === 'open' || view === 'rectified' ? { state: view } : {}
}

async function withinLimits(outbox: Surface, access: Access, group: Refusal): Promise<Refusal> {
  return { ...group, examples: await blanked(outbox, access, group.examples) }
}

/** Owner, note or mark, as long as the group is as the page showed it. A group without a message of the person's is none. */
export async function rectify(outbox: Surface, access: Access, body: Record<string, unknown>): Promise<Refusal> {
  demand(access, 'rectify')
  const by = { actor: access.actor, reason: reasonOf(body) }
  const change: RefusalChange = {}
  for (const name of ['owner', 'note'] as const) {
    if (body[name] !== undefined) change[name] = text(body, name)
  }
  if (body.rectified !== undefined) {
    if (typeof body.rectified !== 'boolean') throw malformed('`rectified` must be true or false')
    change.rectified = body.rectified
  }
  const group = await outbox.updateRefusal({ id: text(body, 'id'), version: text(body, 'version'), ...partOf(access) }, change, by)
  return withinLimits(outbox, access, group)
}
