/** `restore`: a backup in the outbox's place. */
import { restoreFile } from '../../facade/index.js'
import { configuration, place } from '../open.js'
import { only, type CommandLine } from '../options.js'
import { EXIT, UsageError } from '../usage.js'
import { messages, size } from '../words.js'

export async function restore(line: CommandLine): Promise<number> {
  only(line, [], 1)
  const from = line.words[0]
  if (from === undefined || from === '') throw new UsageError('restore takes a backup')
  const path = place(configuration(line.values))
  const restored = await restoreFile(from, path)
  if (line.values.json === true) process.stdout.write(`${JSON.stringify({ path, ...restored })}\n`)
  else {
    process.stdout.write(`${path}: ${messages(restored.messages)}, ${restored.pending} of them PENDING, ${size(restored.bytes)}\n`)
    if (restored.keptAs !== null) process.stdout.write(`kept: ${restored.keptAs}\n`)
  }
  process.stderr.write(NEXT)
  return EXIT.ok
}

const NEXT = `next: the first process that dispatches notices the change and pauses every destination (reason: restored).
What was delivered after the backup is PENDING again. Compare with the receiver or with the file that was kept, cancel
what has arrived, then: hl7-outbox resume DESTINATION. What was stored after the backup is only in the file that was kept.
`
