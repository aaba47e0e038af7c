/** One message: its attempts, and the messages that it has to do with. */
import type { Attempt, Message } from '../facade/index.js'
import { maySee, unknown, type Access } from './access.js'
import { blanked } from './list.js'
import type { Surface } from './surface.js'

/** Messages before this one that are followed to the one that holds all of them up. */
const CHAIN_MAX = 10
/** Waiting messages among which those behind this one are looked for. */
const BEHIND_MAX = 200

export interface Neighbours {
  /** What this one waits for, and what that waits for, … */
  before: Message[]
  /** Of the newest waiting ones of its destination: those that wait for this one. */
  behind: Message[]
}

/** Throws the same for a message that does not exist and for one of others. */
export async function visible(outbox: Surface, access: Access, id: string): Promise<Message> {
  let message: Message | null
  try {
    message = await outbox.getMessage(id)
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_MESSAGE_ID') throw unknown()
    throw error
  }
  if (message === null || !maySee(access, message.tags)) throw unknown()
  return message
}

export async function detail(outbox: Surface, access: Access, id: string): Promise<{ message: Message; attempts: Attempt[]; neighbours: Neighbours }> {
  const found = await visible(outbox, access, id)
  const [attempts, neighbours, [message]] = await Promise.all([outbox.getAttempts(id), neighboursOf(outbox, access, found), blanked(outbox, access, [found])])
  return { message: message ?? found, attempts, neighbours }
}

async function neighboursOf(outbox: Surface, access: Access, message: Message): Promise<Neighbours> {
  const before: Message[] = []
  let next = message.blockedBy
  while (next !== null && before.length < CHAIN_MAX && before.every(({ id }) => id !== next)) {
    const each: Message | null = await outbox.getMessage(next)
    // What stands before a message of others is not looked for either: it would tell about theirs.
    if (each === null || !maySee(access, each.tags)) break
    before.push(each)
    next = each.blockedBy
  }
  const waits = ['PENDING', 'FAILED'].includes(message.status)
  const behind = waits ? await outbox.listMessages({ status: 'PENDING', destination: message.destination, limit: BEHIND_MAX, ...(access.tags === undefined ? {} : { tags: { ...access.tags } }) }) : { items: [] }
  return {
    before: await blanked(outbox, access, before),
    behind: await blanked(outbox, access, behind.items.filter((each) => each.blockedBy === message.id)),
  }
}

