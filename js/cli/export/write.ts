/** Copies messages out of an outbox into a directory, as often as one likes: what is there stays, what has left is removed. */
import type { By, LaidOut, MessageFilter, Outbox } from '../../facade/index.js'
import { UsageError } from '../usage.js'
import { fileName, type Folder } from './folder.js'

export interface Exported {
  /** Messages in the directory. */
  messages: number
  /** Of these, written now. */
  written: number
  /** Of an earlier export, delivered or cancelled since. */
  removed: number
  /** Not exported, and why. */
  left: { id: string; code: string }[]
}

const UNDELIVERED: ReadonlySet<string> = new Set(['PENDING', 'HELD', 'FAILED'])
const PAGE = 500

interface Entry {
  id: string
  position: number
  seq: number
  file: string
  line: string
  isWhole: boolean
}

export async function write(outbox: Outbox, folder: Folder, filter: MessageFilter, by: By): Promise<Exported> {
  const entries = new Map<string, Entry>()
  for await (const message of all(outbox, filter)) entries.set(message.id, entry(message))
  const gone = await earlier(outbox, folder, entries)
  const exported: Exported = { messages: 0, written: 0, removed: 0, left: [] }
  for (const { id } of [...entries.values()].filter(({ isWhole }) => !isWhole)) {
    exported.left.push({ id, code: 'unreadable' })
    entries.delete(id)
  }
  // By lane order: a correction stands where the message stood that it replaces.
  const sorted = [...entries.values()].sort((one, other) => one.position - other.position || one.seq - other.seq)
  folder.announce([...sorted, ...gone].map(({ line }) => line))
  const there: Entry[] = []
  for (let from = 0; from < sorted.length; from += PAGE) {
    const page = sorted.slice(from, from + PAGE)
    // On record before anything is read, as with a look at one message; one record for the page.
    await outbox.exported(page.map(({ id }) => id), by)
    for (const each of page) {
      const bytes = await outbox.getMessageContent(each.id)
      if (bytes === null) exported.left.push({ id: each.id, code: 'purged' })
      else {
        if (folder.write(each.file, bytes)) exported.written += 1
        there.push(each)
      }
    }
  }
  for (const { file } of gone) {
    if (file !== null) folder.remove(file)
    exported.removed += 1
  }
  folder.conclude(there.map(({ line }) => line))
  exported.messages = there.length
  return exported
}

async function* all(outbox: Outbox, filter: MessageFilter): AsyncGenerator<LaidOut> {
  let cursor: string | null = null
  do {
    const page = await outbox.laidOut({ ...filter, order: 'oldest', limit: PAGE, ...(cursor === null ? {} : { cursor }) })
    yield* page.items
    cursor = page.nextCursor
  } while (cursor !== null)
}

/** Takes over what an earlier export wrote and still waits, whatever the filter is now; gives what does not. */
async function earlier(outbox: Outbox, folder: Folder, entries: Map<string, Entry>): Promise<{ line: string; file: string | null }[]> {
  const known = folder.known().filter(({ id }) => !entries.has(id))
  const gone: { line: string; file: string | null }[] = []
  for (let from = 0; from < known.length; from += PAGE) {
    const chunk = known.slice(from, from + PAGE)
    const present = new Map<string, LaidOut>()
    for await (const message of all(outbox, { ids: chunk.map(({ id }) => id) })) present.set(message.id, message)
    for (const each of chunk) {
      const message = present.get(each.id)
      if (message === undefined && (await outbox.getMessage(each.id)) === null) {
        throw new UsageError('the directory holds the export of another outbox; name a new directory')
      }
      if (message !== undefined && UNDELIVERED.has(message.status)) entries.set(each.id, entry(message))
      else gone.push({ file: each.file, line: `${JSON.stringify({ id: each.id, file: each.file })}\n` })
    }
  }
  return gone
}

function entry(message: LaidOut): Entry {
  const { id, seq, controlId, messageType, destination, status, inFlight, lane, position, tags, failure, tries, possibleDuplicate, replaces, createdAt, isWhole } = message
  const file = fileName(seq, controlId)
  const line = { id, seq, controlId, messageType, destination, status, inFlight, lane, position, tags, failure, tries, possibleDuplicate, replaces, createdAt, file }
  return { id, seq, position, file, isWhole, line: `${JSON.stringify(line)}\n` }
}
