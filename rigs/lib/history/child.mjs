// A process of a history. It opens and closes outboxes and makes calls as it is told, line by line on its standard input, and says
// when each call began and how it ended. Times are taken here, as close to the call as can be.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

import { now } from '../clock.mjs'
import { digestOf } from '../receiver.mjs'

const door = await import(pathToFileURL(process.argv[2]).href)

/** Written at once: what was said before a kill is in the pipe. */
function say(...words) {
  const line = Buffer.from(`${JSON.stringify(words)}\n`)
  for (let from = 0; from < line.length; ) {
    try {
      from += writeSync(1, line, from)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

/** What the door has not as one call. */
const MORE = {
  /** The digest of the bytes of a message. */
  async digest(id) {
    const content = await door.getMessageContent(id)
    return content === null ? null : digestOf(Buffer.from(content))
  },
  /** All changes until that of the message `last`. */
  async feed(last) {
    const end = new AbortController()
    const lines = []
    for await (const { id, from, to } of door.statusChanges({ signal: end.signal })) {
      lines.push({ id, from, to })
      if (id === last) end.abort()
    }
    return lines
  },
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [n, method, args] = JSON.parse(line)
  // Begun in the order in which it was told to; nothing is awaited before the call.
  const began = now()
  let ending
  try {
    const called = (MORE[method] ?? door[method])(...args)
    say('began', n, began)
    const value = (await called) ?? null
    ending = [now(), { value }]
  } catch (error) {
    ending = [now(), { error: error.code ?? 'UNKNOWN', message: error.message }]
  }
  say('ended', n, ...ending)
}).on('close', () => process.exit(0))
say('warm')
